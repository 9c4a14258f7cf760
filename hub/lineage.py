"""The versions of each deployment that are kept: to look back, to undo, to go back to.

As many as the database keeps (`hub.records.HISTORY`), and the one that the newest names
to go back to, however old it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.documents import Deployment, Tombstone

KEPT = 10
"""Versions of a deployment that are kept, its ends included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One version: a deployment, or the end of one."""

    document: Deployment | Tombstone
    envelope: bytes = field(repr=False)
    digest: str


@dataclass(slots=True)
class Lineage:
    """Deployment → version → what was signed; `put` is its only change."""

    kept: dict[str, dict[int, Revision]] = field(default_factory=dict)

    def put(self, document: Deployment | Tombstone, digest: str, data: bytes) -> None:
        """Keep a version that was accepted; the oldest ones go."""
        kept = self.kept.setdefault(document.name, {})
        kept[document.version] = Revision(
            document=document, digest=digest, envelope=data
        )
        spared = spared_by(document)
        for version in [each for each in kept if each <= document.version - KEPT]:
            if version != spared:
                del kept[version]

    def deployment(self, name: str, version: int) -> Deployment | None:
        """Return a version of a deployment, None where it is not kept or an end."""
        found = self.kept.get(name, {}).get(version)
        document = found.document if found else None
        return document if isinstance(document, Deployment) else None

    def revision(self, name: str, version: int) -> Revision | None:
        """Return a version as it was signed."""
        return self.kept.get(name, {}).get(version)

    def revisions(self, name: str) -> Iterable[Revision]:
        """Return all versions that are kept, oldest first."""
        kept = self.kept.get(name, {})
        return [kept[version] for version in sorted(kept)]


def spared_by(document: object) -> int:
    """Return the older version that has to stay because of a document, 0 for none."""
    return document.fallback if isinstance(document, Deployment) else 0
