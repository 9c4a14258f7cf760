"""Reconcile the broker's retained messages: wanted × published → what to send.

- A topic whose message says what is wanted is left alone. So is one that says more, as
  long as the receiver holds the surplus: a device that just took in a deployment is
  not woken to be told that it did.
- What a topic holds is unknown after a reconnect (the broker may have been wiped): then
  it is set again, or cleared.
- Trust and revocation go first, secrets before the assignments that need them.

Performing a plan and planning again gives an empty plan.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from edge import envelope
from hub.shelf import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a retained topic should hold; without documents it should be empty."""

    topic: str
    documents: tuple[Kept, ...] = ()
    text: bytes = b""
    """In the place of documents: a message that is none."""
    spare: frozenset[str] = frozenset()
    """Digests that may stay in the message because the receiver holds them."""
    rank: int = 0
    """Order of sending; lower is earlier."""

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the identity of each document, in order."""
        return _digests(self.documents, self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Set a retained message."""

    topic: str
    documents: tuple[Kept, ...] = ()
    text: bytes = b""

    @property
    def leaves(self) -> tuple[str, ...]:
        """Return what the topic holds afterwards."""
        return _digests(self.documents, self.text)

    @property
    def payload(self) -> bytes:
        """Return the message."""
        return self.text or envelope.bundle(each.envelope for each in self.documents)


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
    if wanted.digests:
        return Publish(topic=wanted.topic, documents=wanted.documents, text=wanted.text)
    return Clear(topic=wanted.topic)


def _digests(documents: tuple[Kept, ...], text: bytes) -> tuple[str, ...]:
    if text:
        return (hashlib.sha256(text).hexdigest(),)
    return tuple(each.digest for each in documents)


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
