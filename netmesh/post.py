"""Writes and reads datagrams: sessions, seals, routes, and the gossip that rides along.

Nothing here decides. What is read here is authentic, fresh and well-formed; everything
else costs one look at a table, or one seal that does not open.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

import msgspec

from netmesh import wire
from netmesh.cipher import Cipher
from netmesh.gossip import Rumours
from netmesh.neighbour import Neighbour, Route
from netmesh.view import Address
from netmesh.wire import Body, Carry, Gossip, Header, Hello, News, Plain

GREETS_BACK_EVERY = 0.2  # seconds: answers to what is meant for no session of ours
GOSSIP_ROOM = 420  # bytes of news beside a message
NEWS_ROOM = 900  # bytes of news in a datagram of its own: fits into another one


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Send a datagram to an address."""

    datagram: bytes
    address: Address


class SendByBroker(msgspec.Struct, frozen=True, kw_only=True):
    """Leave a datagram at the broker for a device."""

    datagram: bytes
    device: str


Sent = Send | SendByBroker


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A datagram that counts: who sent what, and by which way."""

    sender: Neighbour
    plain: Plain
    route: Route
    is_first: bool
    """The first in this session of the sender."""


@dataclass(slots=True, kw_only=True)
class Post:
    """Our end of all sessions."""

    me: str
    rng: Random
    cipher: Cipher
    rumours: Rumours
    neighbours: Mapping[str, Neighbour]
    flags: int = 0
    incarnation: int = 0
    session: bytes = b""
    count: int = 0
    by_hint: dict[bytes, Neighbour] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    """Datagrams that changed nothing, by why."""

    def __post_init__(self) -> None:
        """Begin a session."""
        self.session = self.rng.randbytes(wire.SESSION_BYTES)

    def send(
        self,
        to: Neighbour,
        body: Body,
        route: Route | None,
        room: int = GOSSIP_ROOM,
        gossip: tuple[Gossip, ...] = (),
    ) -> list[Sent]:
        """Return what brings a message to a device, nothing where no way is known."""
        if route is None:
            return []
        carrier = self.neighbours.get(route.device) if route.via == "peer" else None
        if route.via == "peer" and (carrier is None or not carrier.is_met):
            return []
        datagram = self._datagram(to, body, (*gossip, *self.rumours.take(room)))
        if carrier is not None:
            return self.send(carrier, Carry(to.hint, datagram), carrier.direct, 0)
        if route.via == "broker":
            return [SendByBroker(datagram=datagram, device=to.device)]
        return [Send(datagram=datagram, address=route.address)] if route.address else []

    def push(self, to: Neighbour, gossip: Iterable[Gossip], now: float) -> list[Sent]:
        """Return what brings a device all of this, in as many datagrams as it takes."""
        sent: list[Sent] = []
        for batch in _batches(gossip):
            sent += self.send(to, News(), to.route(now), 0, batch)
        return sent

    def open(self, datagram: bytes, route: Route, now: float) -> Letter | list[Sent]:
        """Return the letter, or what to answer to a datagram that does not count."""
        header = wire.read_header(datagram)
        sender = self.by_hint.get(header.hint) if header else None
        if header is None or sender is None:
            return self._refuse("stranger")
        plain = self._unseal(sender, datagram)
        if plain is None:
            return self._refuse("forged")
        if plain.session != self.session:
            self.refused["other session"] += 1
            return self._greet_back(sender, header.session, route, now)
        is_first = sender.session.theirs != header.session
        if not sender.session.is_fresh(header.session, header.count):
            return self._refuse("replayed")
        if not sender.session.bucket.take(now):  # last: replays cost the sender nothing
            return self._refuse("flood")
        return Letter(sender=sender, plain=plain, route=route, is_first=is_first)

    def _unseal(self, sender: Neighbour, datagram: bytes) -> Plain | None:
        content = self.cipher.open(sender.device, datagram)
        return None if content is None else wire.decode(content)

    def _greet_back(
        self, to: Neighbour, session: bytes, route: Route, now: float
    ) -> list[Sent]:
        """Tell a device that does not know our session which one it is.

        It may be a recording, so nothing is noted but that we answered.
        """
        if now - to.greeted_back_at < GREETS_BACK_EVERY or session in to.session.past:
            return []
        to.greeted_back_at = now
        datagram = self._datagram(to, Hello(), (), session)
        if route.via == "broker":
            return [SendByBroker(datagram=datagram, device=to.device)]
        if route.via == "direct" and route.address:
            return [Send(datagram=datagram, address=route.address)]
        carrier = self.neighbours.get(route.device)
        if carrier is None or not carrier.is_met:
            return []
        return self.send(carrier, Carry(to.hint, datagram), carrier.direct, 0)

    def _datagram(
        self,
        to: Neighbour,
        body: Body,
        gossip: tuple[Gossip, ...],
        session: bytes | None = None,
    ) -> bytes:
        plain = Plain(
            to.session.theirs if session is None else session,
            self.flags,
            self.incarnation,
            body,
            gossip,
        )
        header = Header(hint=wire.hint(self.me), session=self.session, count=self.count)
        self.count += 1
        if self.count == 2**32:
            self.session, self.count = self.rng.randbytes(wire.SESSION_BYTES), 0
        return self.cipher.seal(
            to.device, wire.write_header(header), wire.encode(plain)
        )

    def _refuse(self, why: str) -> list[Sent]:
        self.refused[why] += 1
        return []


def _batches(gossip: Iterable[Gossip]) -> Iterable[tuple[Gossip, ...]]:
    batch: list[Gossip] = []
    room = NEWS_ROOM
    for each in gossip:
        length = wire.size(each)
        if batch and length > room:
            yield tuple(batch)
            batch, room = [], NEWS_ROOM
        batch.append(each)
        room -= length
    if batch:
        yield tuple(batch)
