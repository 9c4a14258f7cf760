"""Reconcile the broker's retained messages: wanted × published → what to send.

- A topic whose message says what is wanted is left alone. So is one that says more, as
  long as the receiver holds the surplus: a device that just took in a deployment is
  not woken to be told that it did.
- What a topic holds is unknown after a reconnect (the broker may have been wiped): then
  it is set again, or cleared.
- Trust and revocation go first, secrets before the assignments that need them.

Performing a plan and planning again gives an empty plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.shelf import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a retained topic should hold; without documents it should be empty."""

    topic: str
    documents: tuple[Kept, ...] = ()
    spare: frozenset[str] = frozenset()
    """Digests that may stay in the message because the receiver holds them."""
    rank: int = 0
    """Order of sending; lower is earlier."""

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the identity of each document, in order."""
        return tuple(each.digest for each in self.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Set a retained message."""

    topic: str
    documents: tuple[Kept, ...]

    @property
    def leaves(self) -> tuple[str, ...]:
        """Return what the topic holds afterwards."""
        return tuple(each.digest for each in self.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Remove a retained message."""

    topic: str

    @property
    def leaves(self) -> tuple[str, ...]:
        """Return what the topic holds afterwards: nothing."""
        return ()


Action = Publish | Clear
Published = Mapping[str, tuple[str, ...]]
"""Topic → digests of the documents it holds; absent means unknown."""


def plan(wanted: tuple[Wanted, ...], published: Published) -> tuple[Action, ...]:
    """Return what to send so that every wanted topic holds what it should."""
    ordered = sorted(wanted, key=lambda each: (each.rank, each.topic))
    return tuple(
        _action(each)
        for each in ordered
        if not _is_satisfied(each, published.get(each.topic))
    )


def _action(wanted: Wanted) -> Action:
    if wanted.documents:
        return Publish(topic=wanted.topic, documents=wanted.documents)
    return Clear(topic=wanted.topic)


def _is_satisfied(wanted: Wanted, holds: tuple[str, ...] | None) -> bool:
    if holds is None:
        return False
    digests = wanted.digests
    if holds == digests:
        return True
    surplus = frozenset(holds) - frozenset(digests)
    return (
        frozenset(digests) <= frozenset(holds)
        and surplus <= wanted.spare
        and holds[-1:] == (digests or holds)[-1:]
    )
