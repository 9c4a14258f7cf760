"""What other devices say of versions, signed by them: evidence, kept in memory.

It came beside an assignment and lets this device change its version, or go back. Only
the newest version of a deployment with a rollout is asked about. A device where a
version was bad stays one: an older report of it, shown again, changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.documents import Deployment, Report
from edge.staging import evidence
from edge.staging.evidence import BAD_MAX, PROOFS_MAX, Seen

DEPLOYMENTS_MAX = 64
DEVICES_MAX = 4 * (PROOFS_MAX + BAD_MAX)
"""Kept for each version: what a hub sends at once, and what it sent before."""


@dataclass(slots=True)
class Proofs:
    """By deployment and version, what each device said; lost with the process."""

    kept: dict[tuple[str, int], dict[str, Seen]] = field(default_factory=dict)

    def take(
        self, reports: Iterable[Report], deployments: Mapping[str, Deployment]
    ) -> bool:
        """Take in judged reports; return whether anything new was said.

        ``deployments`` are the newest ones held, by name.
        """
        asked = [
            each for each in deployments.values() if each.rollout and each.fallback
        ]
        self._forget({(each.name, each.version) for each in asked})
        is_new = False
        for report in reports:
            for each in asked:
                said = evidence.seen(report, each.name, each.version)
                if said is not None:
                    is_new |= self._note((each.name, each.version), said)
        return is_new

    def about(self, deployment: str, version: int) -> tuple[Seen, ...]:
        """Return what was said of a version."""
        return tuple(self.kept.get((deployment, version), {}).values())

    def is_bad(self, deployment: str, version: int) -> bool:
        """Return whether a version failed on any of those devices."""
        return any(each.bad for each in self.about(deployment, version))

    def _forget(self, asked: set[tuple[str, int]]) -> None:
        self.kept = {key: each for key, each in self.kept.items() if key in asked}

    def _note(self, key: tuple[str, int], said: Seen) -> bool:
        if key not in self.kept and len(self.kept) >= DEPLOYMENTS_MAX:
            return False
        known = self.kept.setdefault(key, {})
        before = known.get(said.node)
        if before == said or (before and before.bad):
            return False
        if before is None and len(known) >= DEVICES_MAX:
            return False
        known[said.node] = said
        return True
