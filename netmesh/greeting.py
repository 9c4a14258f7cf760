"""Looks for members that are missing: at every address, by the broker, by neighbours.

One that works is enough. The longer a member is missing the less often it is greeted,
and the more are missing the less often each, so traffic stays bounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from netmesh.neighbour import BROKER, FIRST_PAUSE, Neighbour, Route
from netmesh.post import Post, Sent
from netmesh.wire import Hello

GREET_PAUSE = 2.0  # seconds between greetings to one that is missing, at most
GREET_SHARE = 0.3  # seconds more for each that is missing


@dataclass(slots=True, kw_only=True)
class Greeting:
    """Who is greeted when; each neighbour carries its own next time."""

    rng: Random
    post: Post
    neighbours: Mapping[str, Neighbour]
    """In the order of device ids."""

    def hurry(self, now: float) -> None:
        """Greet everybody who is missing at once: there is a new way."""
        for each in self.neighbours.values():
            if not each.is_reached:
                each.greet_at, each.pause = now, FIRST_PAUSE

    def greet(self, now: float, *, has_broker: bool) -> list[Sent]:
        """Greet those whose time has come."""
        missing = [n for n in self.neighbours.values() if not n.is_reached]
        longest = max(GREET_PAUSE, GREET_SHARE * len(missing))
        sent: list[Sent] = []
        for each in missing:
            if now < each.greet_at:
                continue
            each.greet_at = now + each.pause * self.rng.uniform(0.8, 1.2)
            each.pause = min(2 * each.pause, longest)
            sent += self._greet_one(each, has_broker=has_broker)
        return sent

    def _greet_one(self, whom: Neighbour, *, has_broker: bool) -> list[Sent]:
        sent: list[Sent] = []
        for place in whom.tries:
            route = Route(via="direct", address=place)
            sent += self.post.send(whom, Hello(), route, 0)
        if has_broker:
            sent += self.post.send(whom, Hello(), BROKER, 0)
        helpers = [n for n in self.neighbours.values() if n.state == "alive"]
        if helpers:
            helper = self.rng.choice(helpers)
            route = Route(via="peer", device=helper.device)
            sent += self.post.send(whom, Hello(), route, 0)
        return sent
