"""What the enemy sends: valid documents bent in every way he can, and signed by him.

Everything follows from one `random.Random`. A document is bent where it hurts: in its
bytes, in its spelling, in one field, in its signatures, in its kind; then it is signed
with the enemy's keys, keeps the signatures it had, or carries those of another.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from edge import documents, envelope, sealing
from edge.envelope import Envelope, Signature
from edge.sealing import SigningKey
from tests.adversary import world
from tests.adversary.spellings import FRAMES, SPELLINGS
from tests.adversary.wishes import WISHES
from tests.adversary.world import STANDING_KEYS, STOLEN, STOLEN_ID, VICTIM
from tests.support import builders as a

KINDS = tuple(documents.SHAPES)
UNKNOWN = (
    f"{envelope.TYPE_PREFIX}command.v1+json",
    f"{envelope.TYPE_PREFIX}deployment.v2+json",
    "application/json",
    "",
)
NUMBERS = (0, 1, 2, 3, 4, 5, 9, 999, 10**6, 10**6 + 1, 2**40, 2**53 - 1, 2**53, -1)
TIMES = (0.0, -0.0, 1.0, world.NOW, world.NOW + 8e7, 4.1e9, 1e11, 1e12, 1e16, -1.0)
NAMES = (
    "n1",
    "n2",
    "n3",
    "n7",
    "ghost",
    "web",
    "db",
    "old",
    "sensor",
    "new",
    "store-7",
)
TEXTS = ("", "shop", "other", "home", "seven", "x" * 300, "é", "\u0000", "1e400", "Hub")
SLOTS = (
    "web/web.1",
    "web/web.2",
    "web/web.3",
    "db/db.1",
    "old/old.1",
    "sensor/reader@n1",
    "sensor/reader@n2",
    "new/new.1",
    "shop/shop.1",
    "shop/shop.2",
    "shop/shop.3",
    "shop/till.1",
    "x/x.1",
)
LABELS = ("role", "fact.arch", "team", "site")


@dataclass(slots=True, kw_only=True)
class Enemy:
    """One attack; `corpus` is every envelope he ever saw."""

    rng: Random
    corpus: list[bytes]
    keys: tuple[SigningKey, ...] = tuple(STANDING_KEYS.values())
    pool: list[Any] = field(default_factory=list)
    """Values seen in real documents: digests, keys, ids, labels."""
    opened: list[Envelope] = field(default_factory=list)
    """The corpus, decoded once."""
    kinds: dict[str, int] = field(default_factory=dict)
    """How often each way was taken, to see that none is dead."""

    def __post_init__(self) -> None:
        """Read every value there is."""
        self.opened = [envelope.decode(data) for data in self.corpus]
        for sealed in self.opened:
            _collect(json.loads(sealed.body), self.pool)
        self.pool += [*NAMES, *TEXTS, *(key.public for key in self.keys)]

    def document(self) -> bytes:
        """Return the next thing to try."""
        way = self.rng.choices(WAYS, WEIGHTS)[0]
        self.kinds[way.__name__] = self.kinds.get(way.__name__, 0) + 1
        return way(self)

    # Ways to bend what exists

    def flipped(self) -> bytes:
        """Some bytes of an envelope, changed."""
        data = bytearray(self._some())
        for _ in range(self.rng.randint(1, 4)):
            data[self.rng.randrange(len(data))] ^= self.rng.randint(1, 255)
        return bytes(data)

    def cut(self) -> bytes:
        """A part of an envelope, or more than all of it."""
        data = self._some()
        place = self.rng.randrange(1, len(data))
        return self.rng.choice((data[:place], data[place:], data + data, data + b"\n"))

    def replayed(self) -> bytes:
        """A document as it was: older, or meant for somebody else."""
        return self._some()

    def changed(self) -> bytes:
        """One to three values of a document, exchanged for others that could be."""
        sealed = self._opened()
        parts = json.loads(sealed.body)
        for _ in range(self.rng.randint(1, 3)):
            self._change(parts)
        return self._closed(sealed, sealed.payload_type, _spelled(parts))

    def raised(self) -> bytes:
        """A document under the next number, or a much later one."""
        sealed = self._opened()
        parts = json.loads(sealed.body)
        for name in ("version", "seq", "term", "generation", "boot", "serial"):
            if name in parts and self.rng.random() < 0.7:
                parts[name] += self.rng.choice((1, 1, 2, 1000, 10**6, 2**40))
        return self._closed(sealed, sealed.payload_type, _spelled(parts))

    def misspelled(self) -> bytes:
        """The same document in another spelling, signed by whoever will."""
        sealed = self._opened()
        body = self.rng.choice(SPELLINGS)(sealed.body.decode())
        return self._closed(
            sealed, sealed.payload_type, body.encode("utf-8", "replace")
        )

    def retyped(self) -> bytes:
        """A document under the type of another kind."""
        sealed = self._opened()
        kind = self.rng.choice((*KINDS, *UNKNOWN))
        body = sealed.body
        if self.rng.random() < 0.5 and kind in documents.SHAPES:
            parts = json.loads(body)
            parts["type"] = documents.kind_of(documents.SHAPES[kind])
            body = _spelled(parts)
        return self._closed(sealed, kind, body)

    def spliced(self) -> bytes:
        """A document under signatures of others, repeated, reordered, relabelled."""
        sealed, other = self._opened(), self._opened()
        signatures = [*sealed.signatures, *other.signatures, *other.signatures]
        self.rng.shuffle(signatures)
        if self.rng.random() < 0.5:
            key = self.rng.choice(self.keys).public
            signatures[0] = Signature(keyid=key, sig=signatures[-1].sig)
        kept = tuple(signatures[: self.rng.randint(0, 9)])
        whole = Envelope(
            payload_type=sealed.payload_type, payload=sealed.payload, signatures=kept
        )
        return envelope.encode(whole)

    def oversized(self) -> bytes:
        """More than any cap allows, in a place of his choice."""
        sealed = self._opened()
        parts = json.loads(sealed.body)
        size = self.rng.choice((5_000, 70_000, envelope.PAYLOAD_MAX))
        parts[self.rng.choice((*parts, "later"))] = "x" * size
        return self._closed(sealed, sealed.payload_type, _spelled(parts))

    # Documents of his own

    def assigned(self) -> bytes:
        """The hub's word, validly signed: anything, at any place, in any number."""
        places = tuple(
            a.place(slot, self.rng.randint(1, 4), term=self.rng.choice((1, 2, 999)))
            for slot in self.rng.sample(SLOTS, self.rng.randint(0, 4))
        )
        device = self.rng.choice((VICTIM, VICTIM, VICTIM, STOLEN))
        document = a.assignment(
            device,
            self.rng.choice((self.rng.randint(1, 10**6), 2**40, 2**53 - 1)),
            generation=self.rng.choice((world.GENERATION,) * 6 + (1, 3, 2**53 - 1)),
            term=self.rng.choice((1, 1, 1, 2, 10**6, 2**40)),
            replicas=places,
        )
        return a.signed(document, a.HUB)

    def beaming(self) -> bytes:
        """A beacon of a hub in 1970, today or 2100."""
        seq, at = self.rng.randint(1, 10**6), self.rng.choice((0.0, world.NOW, 4.1e9))
        return a.signed(a.beacon(seq, at=at, generation=world.GENERATION), a.HUB)

    def planned(self) -> bytes:
        """The hub's word to a site, validly signed: whoever he likes holds it all."""
        devices = (VICTIM, STOLEN, world.THIRD, world.FAR)
        slots = tuple(
            a.plan_slot(slot, self.rng.choice(devices), term=self.rng.choice((1, 999)))
            for slot in self.rng.sample(SLOTS, self.rng.randint(0, 4))
        )
        document = a.plan(
            *self.rng.sample(devices, self.rng.randint(0, 4)),
            seq=self.rng.choice((self.rng.randint(1, 10**6), 2**40, 2**53 - 1)),
            generation=self.rng.choice((world.GENERATION,) * 6 + (1, 3, 2**53 - 1)),
            site=self.rng.choice(("home", "home", "store-7", "other")),
            slots=slots,
        )
        return a.signed(document, self.rng.choice((a.HUB, a.HUB, world.OLD_HUB)))

    def minted(self) -> bytes:
        """A device by the leaked seed, under a name that is taken or new; or grown."""
        device = a.Device(self.rng.choice(("n1", "n3", "rogue", "rogue2")))
        fresh = a.Device(f"minted {self.rng.randint(0, 5)}")
        if self.rng.random() < 0.3:
            return self._grown()
        voucher = self.rng.choice(("leaked", "leaked", "v1", "mine"))
        document = a.member(fresh, name=device.name, voucher=voucher)
        keys = (world.LEAKED, fresh.sign, a.HUB)
        return a.signed(document, *keys[: self.rng.randint(1, 3)])

    def _grown(self) -> bytes:
        """The next word of a device, his own or another: other keys, other claims."""
        device = self.rng.choice((world.THIRD, world.THIRD, VICTIM, world.FAR))
        key = self.rng.choice(self.keys)
        keys = a.msgspec.structs.replace(device.keys, sign=key.public)
        document = a.msgspec.structs.replace(
            world.member_of(device),
            version=self.rng.randint(1, 5),
            keys=self.rng.choice((keys, device.keys)),
            name=self.rng.choice((device.name, device.name, "n1", "rogue")),
            voucher=self.rng.choice(("leaked", "leaked", "v1", "v7")),
        )
        return a.signed(document, key, world.THIRD.sign, *self._some_keys())

    def rewrapped(self) -> bytes:
        """A secret the thief opened, or another box, sealed to the victim anew."""
        inside = self.rng.choice((self._inside, self._some, lambda: b"plain"))()
        box = sealing.to_text(sealing.seal(VICTIM.seal.public, inside))
        version = self.rng.choice((1, 2, 3, 4, 5))
        document = a.msgspec.structs.replace(
            a.secret("web/token", VICTIM, version=version), box=box
        )
        return a.signed(document, *self._some_keys())

    def forged(self) -> bytes:
        """What he would like an operator to have said."""
        number = self.rng.randint(1, 9)
        made = self.rng.choice(WISHES)(number)
        return a.signed(made, *self._some_keys())

    def frame(self) -> bytes:
        """Return a message that is no bundle."""
        return self.rng.choice(FRAMES)

    # Parts

    def _some(self) -> bytes:
        return self.rng.choice(self.corpus)

    def _opened(self) -> Envelope:
        return self.rng.choice(self.opened)

    def _some_keys(self) -> list[SigningKey]:
        return self.rng.sample(self.keys, self.rng.choice((1, 1, 1, 2, 3)))

    def _closed(self, before: Envelope, kind: str, body: bytes) -> bytes:
        """Sign with his keys; now and then beside the signatures it had, or not."""
        chance = self.rng.random()
        if chance < 0.15:
            fresh: tuple[Signature, ...] = ()
        else:
            signed = envelope.sign(kind, body, self._some_keys())
            if chance < 0.8:
                return signed
            fresh = _signatures(signed)
        signatures = (*before.signatures, *fresh)
        payload = sealing.to_text(body)
        whole = Envelope(payload_type=kind, payload=payload, signatures=signatures)
        return envelope.encode(whole)

    def _inside(self) -> bytes:
        """What was sealed to the stolen device: signed by the operator."""
        for sealed in self.opened:
            parts = json.loads(sealed.body)
            if parts.get("recipient") == STOLEN_ID:
                return STOLEN.seal.open(sealing.from_text(parts["box"]))
        raise AssertionError("nothing was ever sealed to the stolen device")

    def _change(self, parts: Any) -> None:
        """Exchange, drop or add one value somewhere inside."""
        where = self._inside_of(parts)
        if isinstance(where, list):
            if where and self.rng.random() < 0.5:
                where.pop(self.rng.randrange(len(where)))
            else:
                where.append(self._value(where[0] if where else "x"))
            return
        key = self.rng.choice((*where, *LABELS))
        if key in where and self.rng.random() < 0.15:
            del where[key]
        else:
            where[key] = self._value(where.get(key, "x"))

    def _inside_of(self, parts: Any) -> Any:
        """Walk down at random to an object or a list."""
        while True:
            values = parts.values() if isinstance(parts, dict) else parts
            below = [each for each in values if isinstance(each, dict | list)]
            if not below or self.rng.random() < 0.5:
                return parts
            parts = self.rng.choice(below)

    def _value(self, before: Any) -> Any:
        """Return something of the same type, mostly."""
        if self.rng.random() < 0.1:
            return self.rng.choice((None, True, [], {}, -1, 1.5, "x", [{}], {"a": {}}))
        if isinstance(before, bool):
            return not before
        if isinstance(before, int):
            return self.rng.choice((*NUMBERS, before + 1, before - 1))
        if isinstance(before, float):
            return self.rng.choice((*TIMES, before + 1.0))
        if isinstance(before, str):
            return self.rng.choice(self.pool)
        return before


def _signatures(data: bytes) -> tuple[Signature, ...]:
    return tuple(Signature(**each) for each in json.loads(data)["signatures"])


def _collect(parts: Any, pool: list[Any]) -> None:
    if isinstance(parts, dict):
        for value in parts.values():
            _collect(value, pool)
    elif isinstance(parts, list):
        for value in parts:
            _collect(value, pool)
    elif isinstance(parts, str) and len(parts) < 200:
        pool.append(parts)


def _spelled(parts: Any) -> bytes:
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


WAYS: tuple[Callable[[Enemy], bytes], ...] = (
    Enemy.flipped,
    Enemy.cut,
    Enemy.replayed,
    Enemy.changed,
    Enemy.raised,
    Enemy.misspelled,
    Enemy.retyped,
    Enemy.spliced,
    Enemy.oversized,
    Enemy.assigned,
    Enemy.beaming,
    Enemy.planned,
    Enemy.minted,
    Enemy.rewrapped,
    Enemy.forged,
)
WEIGHTS = (12, 3, 8, 22, 10, 8, 8, 8, 0.4, 8, 2, 4, 5, 4, 9)
