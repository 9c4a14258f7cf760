"""A claim: what a device says of one movable slot it holds, or is about to hold.

It travels as the body of a rumour whose key is the slot; the mesh signs it for its
device, so whoever reads one knows who said it. MessagePack, because claims share
datagrams of 1,200 bytes.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.names import SLOT, Counter, Slot

ClaimState = Literal["prepared", "starting", "running"]
"""``prepared``: could start at once, and waits for the lease of a ``strict`` slot."""
CLAIM_MAX = 64  # bytes of a body; a real one has about 30
RANK = {"prepared": 0, "starting": 1, "running": 2}


class _Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    term: Counter
    version: Counter
    state: Annotated[int, Meta(ge=0, le=2)]
    is_healthy: bool
    running_for: Annotated[float, Meta(ge=0, le=1e10)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One device's word on one slot."""

    slot: Slot
    device: str
    term: int
    version: int
    state: ClaimState = "starting"
    is_healthy: bool = False
    running_for: float = 0.0
    """Seconds its copy had run without a break when the claim was made."""

    @property
    def is_holding(self) -> bool:
        """Return whether it says that it runs the slot, or is starting it."""
        return self.state != "prepared"


def encode(claim: Claim) -> bytes:
    """Return the body of the rumour."""
    body = _Body(
        claim.term,
        claim.version,
        RANK[claim.state],
        claim.is_healthy,
        float(round(claim.running_for, 1)),
    )
    return msgspec.msgpack.encode(body)


def decode(device: str, slot: str, body: bytes) -> Claim | None:
    """Return a peer's claim; None for a withdrawn one and for what is none."""
    if not body or len(body) > CLAIM_MAX or SLOT.fullmatch(slot) is None:
        return None
    try:
        said = msgspec.msgpack.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    words: tuple[ClaimState, ...] = ("prepared", "starting", "running")
    return Claim(
        slot=Slot(slot),
        device=device,
        term=said.term,
        version=said.version,
        state=words[said.state],
        is_healthy=said.is_healthy,
        running_for=said.running_for,
    )
