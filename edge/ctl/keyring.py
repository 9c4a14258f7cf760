"""What the agent remembers and answers: operator keys, each until its time is up.

The agent signs documents of ours and nothing else, so that a program of the same user
cannot have it sign for another system. It opens sealed boxes. It never gives a seed
back, and holds no root key.
"""

import binascii
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from edge import envelope, sealing
from edge.ctl import keys
from edge.ctl.keys import OperatorKey
from edge.errors import TrustError
from edge.names import KeyText, Short

MESSAGE_MAX = 2 * envelope.ENVELOPE_MAX  # a payload in base64, in a request
HELD_MAX = 7 * 24 * 3600.0  # seconds; a forgotten unlock ends within a week
DOCUMENT = b"DSSEv1 "
TYPE_WITHIN = 64  # bytes; the payload type follows its length


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing asked of the agent."""


class Add(Request, frozen=True, tag="add"):
    """Hold an operator key for so many seconds."""

    name: Short
    seeds: Annotated[str, Meta(max_length=128)]
    hold_for: Annotated[float, Meta(gt=0, le=HELD_MAX)]


class Sign(Request, frozen=True, tag="sign"):
    """Sign the pre-authentication encoding of a document (base64url)."""

    key: KeyText
    message: str


class Open(Request, frozen=True, tag="open"):
    """Open a box (base64url) with the sealing half of an operator key."""

    key: KeyText
    box: str


class Show(Request, frozen=True, tag="show"):
    """Say which keys are held."""


class Forget(Request, frozen=True, tag="forget"):
    """Drop every key and leave."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A key in the agent, without what is private."""

    name: str
    public: str
    seal: str
    left: float
    """Seconds until it is dropped."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request: a value, keys, or a problem."""

    value: str = ""
    keys: tuple[Held, ...] = ()
    problem: str = ""


AnyRequest = Add | Sign | Open | Show | Forget


@dataclass(slots=True)
class Keyring:
    """Operator keys by public key, with the time each is dropped.

    ``now`` is CLOCK_BOOTTIME everywhere: a suspended laptop does not stop it.
    """

    held: dict[str, tuple[OperatorKey, float]] = field(default_factory=dict)
    was_used: bool = False
    """Whether it ever held a key: an agent that holds none any more leaves."""

    def drop_expired(self, now: float) -> None:
        """Forget the keys whose time is up."""
        self.held = {
            public: (key, until)
            for public, (key, until) in self.held.items()
            if until > now
        }

    @property
    def next_end(self) -> float | None:
        """Return when the next key is dropped, None when none is held."""
        return min((until for _, until in self.held.values()), default=None)

    def answer(self, data: bytes, now: float) -> Answer:
        """Return the answer to an encoded request; never raises for what it says."""
        try:
            request = msgspec.json.decode(data, type=AnyRequest)
        except (msgspec.MsgspecError, RecursionError) as error:
            return Answer(problem=f"cannot read the request: {error}")
        self.drop_expired(now)
        try:
            return self._answer(request, now)
        except (binascii.Error, ValueError, TrustError) as error:
            return Answer(problem=f"cannot answer: {error}")

    def _answer(self, request: AnyRequest, now: float) -> Answer:
        match request:
            case Add():
                return self._add(request, now)
            case Sign():
                return self._sign(request)
            case Open():
                return self._open(request)
            case Show():
                return Answer(keys=self._shown(now))
            case Forget():
                self.held = {}
                return Answer()

    def _add(self, request: Add, now: float) -> Answer:
        body = sealing.from_text(request.seeds)
        if len(body) != 2 * sealing.SEED_BYTES:
            return Answer(problem="cannot hold the key: not two seeds")
        key = keys.from_seeds(request.name, body)
        self.held[key.public] = (key, now + request.hold_for)
        self.was_used = True
        return Answer(value=key.public)

    def _sign(self, request: Sign) -> Answer:
        key = self._key(request.key)
        message = sealing.from_text(request.message)
        is_ours = envelope.TYPE_PREFIX.encode() in message[:TYPE_WITHIN]
        if not (message.startswith(DOCUMENT) and is_ours):
            return Answer(problem="cannot sign: it is no document of ours")
        return Answer(value=sealing.to_text(key.signer.sign(message)))

    def _open(self, request: Open) -> Answer:
        key = self._key(request.key)
        content = key.opener.open(sealing.from_text(request.box))
        return Answer(value=sealing.to_text(content))

    def _key(self, public: str) -> OperatorKey:
        if public not in self.held:
            raise ValueError("the key is not held; run `edgectl key unlock`")
        return self.held[public][0]

    def _shown(self, now: float) -> tuple[Held, ...]:
        return tuple(
            Held(name=key.name, public=public, seal=key.seal, left=until - now)
            for public, (key, until) in sorted(self.held.items())
        )
