"""What comes of judging a document: accepted, known already, or refused by name.

Refusals are expected, so they are values. Each has a name it is counted under.
"""

from typing import Literal

import msgspec

from edge.documents import Document

Reason = Literal[
    "malformed",
    "unsigned",
    "not-authorised",
    "wrong-fleet",
    "wrong-recipient",
    "wrong-kind",
    "wrong-device",
    "rolled-back",
    "conflict",
    "counter-jump",
    "expired",
    "future-dated",
    "out-of-scope",
    "revoked",
    "unknown-voucher",
    "voucher-closed",
    "voucher-used-up",
    "name-taken",
    "unknown-device",
    "wrong-member",
    "wrong-generation",
    "not-sealed-to-us",
    "re-wrapped",
    "takes-away",
    "out-of-limits",
    "not-stored",
]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A new document that counts; nothing was recorded yet."""

    document: Document
    digest: str
    envelope: bytes
    signers: frozenset[str]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The very document that is held already, in case its file was lost."""

    document: Document
    digest: str
    envelope: bytes


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A document that changes nothing, with the name it is counted under."""

    reason: Reason
    problem: str
    kind: str = ""


Verdict = Accepted | Known | Refused
