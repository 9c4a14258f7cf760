"""What all documents have in common, and how their parts are spelled."""

from typing import Annotated, Literal

from msgspec import Meta

from edge import envelope, model
from edge.names import KEY_SPELLING, Name

Scheduling = Literal["active", "cordoned", "drained"]
PEM_MAX = 16 * 1024
Id = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,63}\Z")]
Recipient = Annotated[
    str, Meta(pattern=rf"\A([a-z0-9-]{{1,63}}|operator:{KEY_SPELLING})\Z")
]
SecretName = Annotated[
    str, Meta(pattern=r"\A[a-z0-9-]{1,63}/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
]
Parent = Annotated[str, Meta(pattern=r"\A(sha256:[0-9a-f]{64})?\Z")]
Box = Annotated[str, Meta(max_length=160 * 1024)]  # a 64 KiB secret, in base64 thrice
Ids = Annotated[tuple[Id, ...], Meta(max_length=10_000)]
Threshold = Annotated[int, Meta(ge=1, le=envelope.SIGNATURES_MAX // 2)]
"""Half of what an envelope holds: new root keys sign beside as many old ones."""
Subject = Annotated[
    str, Meta(pattern=r"\A(view\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
]


class Document(model.Value, frozen=True):
    """What every signed document carries: the fleet it belongs to."""

    fleet: Name

    @property
    def stream(self) -> str:
        """Return the name of the counter this document belongs to, "" for none."""
        return ""

    @property
    def counter(self) -> tuple[int, ...]:
        """Return the document's place in its stream; larger is newer.

        The version, where people number it; machines' documents say their own.
        """
        version: int | None = getattr(self, "version", None)
        return (version,) if self.stream and version is not None else ()
