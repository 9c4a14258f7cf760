"""Rumours: what each device says of itself, signed; the newest reaches all in the end.

A device's rumours are its feed. What is new rides on the next datagrams, a limited
number of times (SWIM, section 4.1); what still got lost is found by comparing digests
of feeds. Nobody can invent a rumour of another device, and what a device says of itself
is bounded in number, size and rate.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from edge.bucket import Bucket, Rate
from netmesh import wire
from netmesh.cipher import Cipher
from netmesh.wire import Gossip, Rumour, Suspicion

KEYS_MAX = 256  # rumours of one device, ended ones included
RATE = Rate(burst=300.0, per_second=20.0)
"""Rumours of one device."""
SENDS = 3  # times log2 of the site's size that each piece of news is sent
BEAT, LEAVING = "beat", "leaving"
"""Keys of our own; slots have a slash."""
LABEL = b"tutti-rumour-v1"
HEALS_EVERY = 1.0  # seconds between answers to old rumours of our own


@dataclass(slots=True)
class Feed:
    """What one device said."""

    rumours: dict[str, Rumour] = field(default_factory=dict)
    digest: int = 0
    bucket: Bucket = field(default_factory=lambda: Bucket(RATE))

    def put(self, rumour: Rumour) -> None:
        """Keep a rumour in the place of the one before."""
        before = self.rumours.get(rumour.key)
        for each in (before, rumour):
            if each is not None and each.key != BEAT:
                self.digest ^= _mark(each)
        self.rumours[rumour.key] = rumour

    def drop(self, key: str) -> None:
        """Forget a rumour."""
        rumour = self.rumours.pop(key)
        if rumour.key != BEAT:
            self.digest ^= _mark(rumour)

    def may_grow(self) -> bool:
        """Return whether one more key fits; ended rumours make room, oldest first."""
        if len(self.rumours) < KEYS_MAX:
            return True
        ended = [each for each in self.rumours.values() if not each.body]
        if not ended:
            return False
        self.drop(min(ended, key=lambda each: each.sequence).key)
        return True


@dataclass(slots=True)
class _News:
    gossip: Gossip
    left: int


@dataclass(slots=True, kw_only=True)
class Rumours:
    """Everything said in a site, and what of it is still news."""

    me: str
    cipher: Cipher
    sequence: int
    """Of our last one; begins where the clock stands, and heals if that is old."""
    devices: dict[bytes, str] = field(default_factory=dict)
    """Hint → device id, of the roster, ourselves included."""
    feeds: dict[str, Feed] = field(default_factory=dict)
    _news: dict[tuple[bytes, str], _News] = field(default_factory=dict)
    _heals_at: float = float("-inf")

    def set_devices(self, devices: Iterable[str]) -> None:
        """Know these devices; what others said is forgotten."""
        self.devices = {wire.hint(each): each for each in sorted({*devices, self.me})}
        known = set(self.devices.values())
        self.feeds = {name: feed for name, feed in self.feeds.items() if name in known}

    def announce(self, key: str, body: bytes) -> Rumour:
        """Say something of ourselves; b"" ends it."""
        self.sequence += 1
        about = wire.hint(self.me)
        message = _message(about, key, self.sequence, body)
        rumour = Rumour(about, key, self.sequence, body, self.cipher.sign(message))
        feed = self.feed(self.me)
        if key not in feed.rumours:
            feed.may_grow()
        feed.put(rumour)
        self.spread(rumour)
        return rumour

    def receive(self, rumour: Rumour, now: float) -> bool:
        """Take a rumour in; return whether it says something new."""
        device = self.devices.get(rumour.about)
        if device is None:
            return False
        feed = self.feed(device)
        known = feed.rumours.get(rumour.key)
        if known is not None and known.sequence >= rumour.sequence:
            return False
        if not feed.bucket.take(now) or not self._is_signed(device, rumour):
            return False
        if device == self.me:
            self._heal(rumour, now)
            return False
        if known is None and not feed.may_grow():
            return False
        feed.put(rumour)
        self.spread(rumour)
        return True

    def feed(self, device: str) -> Feed:
        """Return what a device said."""
        return self.feeds.setdefault(device, Feed())

    def spread(self, gossip: Gossip) -> None:
        """Let something ride on the next datagrams; a beat is sent where it counts."""
        if isinstance(gossip, Rumour) and gossip.key == BEAT:
            return
        left = SENDS * max(1, len(self.devices).bit_length())
        self._news[_about(gossip)] = _News(gossip, left)

    def take(self, room: int) -> tuple[Gossip, ...]:
        """Return news for one datagram, what was sent least often first."""
        taken: list[Gossip] = []
        if not self._news:
            return ()
        for key, news in sorted(self._news.items(), key=lambda each: -each[1].left):
            length = wire.size(news.gossip)
            if length > room or len(taken) == 8:  # noqa: PLR2004 - a datagram is small
                continue
            room -= length
            taken.append(news.gossip)
            news.left -= 1
            if news.left <= 0:
                del self._news[key]
        return tuple(taken)

    def said_by(self, device: str) -> Mapping[str, bytes]:
        """Return what a device says now, by key."""
        rumours = self.feed(device).rumours.values()
        return {
            each.key: each.body
            for each in rumours
            if each.body and each.key not in {BEAT, LEAVING}
        }

    def says(self, device: str, key: str) -> Rumour | None:
        """Return one rumour that is not ended."""
        rumour = self.feed(device).rumours.get(key)
        return rumour if rumour and rumour.body else None

    @property
    def digest(self) -> int:
        """Return what stands for everything said."""
        total = 0
        for feed in self.feeds.values():
            total ^= feed.digest
        return total

    def list_feeds(self) -> Iterator[tuple[tuple[bytes, int], ...]]:
        """Yield what we have of each device, in pages of one datagram."""
        listed = [(h, self.feed(d).digest) for h, d in sorted(self.devices.items())]
        for start in range(0, len(listed), wire.LISTED_MAX):
            yield tuple(listed[start : start + wire.LISTED_MAX])

    def differing(self, listed: Iterable[tuple[bytes, int]]) -> Iterator[Rumour]:
        """Yield what we have of devices of which another has something else."""
        for about, digest in listed:
            device = self.devices.get(about)
            if device is not None and self.feed(device).digest != digest:
                yield from self.of(device)

    def of(self, device: str) -> Iterator[Rumour]:
        """Yield all rumours of a device, the newest first."""
        rumours = self.feed(device).rumours.values()
        yield from sorted(rumours, key=lambda each: -each.sequence)

    def _is_signed(self, device: str, rumour: Rumour) -> bool:
        message = _message(rumour.about, rumour.key, rumour.sequence, rumour.body)
        return self.cipher.is_signed(device, message, rumour.signature)

    def _heal(self, rumour: Rumour, now: float) -> None:
        """Say anew what an older life of ours still says differently."""
        if now < self._heals_at:
            return
        self._heals_at = now + HEALS_EVERY
        self.sequence = max(self.sequence, rumour.sequence)
        own = self.feed(self.me).rumours
        for key in sorted({*own, rumour.key}):
            self.announce(key, own[key].body if key in own else b"")


def verify_beat(beat: bytes, device: str, sign_key: str) -> int | None:
    """Return the sequence of a signed sign of life; None for anything else.

    A beat proves that its device was well when it said so: whoever hears one with a
    higher sequence than before knows that it was well since then.
    """
    from edge import sealing  # noqa: PLC0415 - hubs need it, devices never

    rumour = wire.read_rumour(beat)
    if rumour is None or rumour.key != BEAT or rumour.about != wire.hint(device):
        return None
    message = _message(rumour.about, rumour.key, rumour.sequence, rumour.body)
    signature = sealing.to_text(rumour.signature)
    is_genuine = sealing.is_signed(sign_key, message, signature)
    return rumour.sequence if is_genuine else None


def _message(about: bytes, key: str, sequence: int, body: bytes) -> bytes:
    return msgspec.msgpack.encode((LABEL, about, key, sequence, body))


def _mark(rumour: Rumour) -> int:
    said = b"%s %s %d" % (rumour.about, rumour.key.encode(), rumour.sequence)
    return int.from_bytes(hashlib.blake2b(said, digest_size=4).digest(), "big")


def _about(gossip: Gossip) -> tuple[bytes, str]:
    kind = gossip.key if isinstance(gossip, Rumour) else "?suspicion"
    return gossip.about, kind


__all__ = ["BEAT", "LEAVING", "Feed", "Rumours", "Suspicion", "verify_beat"]
