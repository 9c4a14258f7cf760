"""The name of an image as people write it, taken apart.

A name says its registry: ``web:1`` could come from anywhere, and whoever owns that
anywhere would choose what runs. A name without tag or digest means ``:latest``; it is
pinned at signing like any other, so what runs never changes by itself.
Source of the grammar: distribution/reference (OCI distribution specification).
"""

import re

import msgspec

from edge.manifest import scalars
from edge.manifest.scalars import wrong

LATEST = "latest"

_REGISTRY = r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<registry>{_REGISTRY})/(?P<repository>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_ADVICE = 'write "registry/name:tag" or "registry/name@sha256:…", lower-case'


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """``registry/repository:tag@digest``; tag and digest may be ""."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Return ``registry/repository``: `edge.model.Image.reference`."""
        return f"{self.registry}/{self.repository}"


def reference(value: object) -> Reference:
    """Return the parts of an image's name; raise ValueError when it is none."""
    text = scalars.text(value, scalars.SHORT_MAX)
    first = text.partition("/")[0]
    match = _REFERENCE.fullmatch(text)
    if "/" not in text or not (match is None or _is_registry(first)):
        raise wrong(text, f"it does not say which registry; {_ADVICE}")
    if match is None:
        raise wrong(text, _ADVICE)
    tag, digest = match["tag"] or "", match["digest"] or ""
    return Reference(
        registry=match["registry"],
        repository=match["repository"],
        tag=tag if tag or digest else LATEST,
        digest=digest,
    )


def _is_registry(first: str) -> bool:
    """Return whether a first component can be a host rather than a folder."""
    return first == "localhost" or "." in first or ":" in first
