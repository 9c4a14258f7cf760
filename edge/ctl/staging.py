"""From a rollout as written to the limits that are signed, by the fleet at hand.

Counts and labels become names: of devices that run the deployment now and keep it,
because only they can prove the new version soon; of those that will run it where
nobody does yet. A count takes the smallest lots, so the same devices go first each
time. Shares stay shares. What adds nobody is left out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from edge.ctl.shapes import ReplicaRow
from edge.documents import Control, Deployment
from edge.errors import ManifestError
from edge.manifest import Manifest, WaveDraft
from edge.names import NodeName, Slot
from edge.placement import NodeView
from edge.staging.shapes import Rollout, Wave
from edge.staging.waves import lot

NAMED_MAX = 1024  # `edge.staging.shapes.Wave.nodes`
SITE = "site"


class Candidate(NamedTuple):
    """A device that will run the deployment."""

    name: str
    site: str
    labels: Mapping[str, str]
    runs: bool
    """Whether it runs it already."""


def candidates(
    views: Iterable[NodeView],
    places: Mapping[Slot, NodeName],
    where: Mapping[Slot, NodeName],
) -> tuple[Candidate, ...]:
    """Return the devices of ``places``; ``where`` is where the slots are now."""
    after, now = set(places.values()), set(where.values())
    return tuple(
        Candidate(view.name, view.site, view.labels, runs=view.name in now)
        for view in views
        if view.name in after
    )


def staged(
    deployment: Deployment,
    written: Manifest,
    fleet: Sequence[Candidate],
    back: int,
) -> Deployment:
    """Return the deployment under its limits, ``back`` being the version to go back to.

    Raises `ManifestError` for limits that cannot hold in this fleet.
    """
    draft = written.rollout
    if draft is None:
        return deployment
    waves = _Waves(deployment.name, fleet)
    for index, each in enumerate(draft.waves):
        if said := waves.add(each):
            path = f"rollout.waves[{index}]"
            raise ManifestError(said, path=path, file=written.file, line=each.line)
    limits = msgspec.structs.replace(draft.template, waves=tuple(waves.found))
    return msgspec.structs.replace(deployment, rollout=limits, fallback=back)


def fallback(
    before: Deployment | None, rows: Iterable[ReplicaRow], word: Control | None = None
) -> int:
    """Return the version to go back to, 0 for none.

    It is the version before. Where that one failed, or did not get far, more replicas
    are healthy at the version it would go back to itself; then it is that one. So it
    is where the version before is a blue-green one that was never promoted: the set
    beside it serves. ``word`` is the operator's newest on the deployment.
    """
    if before is None:
        return 0
    if before.fallback and is_unpromoted(before, word):
        return before.fallback
    healthy = Counter(
        row.revision for row in rows if row.deployment == before.name and row.healthy
    )
    if before.fallback and healthy[before.fallback] > healthy[before.version]:
        return before.fallback
    return before.version


def is_unpromoted(deployment: Deployment, word: Control | None) -> bool:
    """Return whether a blue-green version still waits for the operator's promote."""
    limits = deployment.rollout
    if limits is None or limits.strategy != "blue-green":
        return False
    is_about = word is not None and word.target == deployment.version
    return not (word is not None and is_about and word.action == "promote")


def is_alike(one: Rollout | None, other: Rollout | None) -> bool:
    """Return whether two limits ask for the same, whoever the named devices are.

    The same manifest names others when the fleet has changed.
    """
    if one is None or other is None:
        return one is other
    return _nameless(one) == _nameless(other)


class _Waves:
    """The waves so far, and whom they hold."""

    def __init__(self, deployment: str, fleet: Sequence[Candidate]) -> None:
        self._deployment = deployment
        self._fleet = sorted(fleet, key=lambda each: (self._lot(each), each.name))
        self._named: set[str] = set()
        self._share = 0
        self.found: list[Wave] = []

    def add(self, draft: WaveDraft) -> str:
        """Take one more wave; return why that cannot be, a sentence, or ""."""
        if draft.share:
            self._share = draft.share
            self.found.append(Wave(share=draft.share))
            return ""
        if draft.label:
            chosen = list(self._labelled(*draft.label))
            if not chosen:
                label = "=".join(draft.label)
                problem = f"cannot have a wave {label}: no device that runs"
                return f"{problem} {self._deployment} carries that; see `edgectl plan`"
        else:
            chosen = list(self._counted(draft.count))
        return self._name(chosen)

    def _name(self, chosen: Iterable[Candidate]) -> str:
        new = {each.name for each in chosen if not self._holds(each)}
        if len(new) > NAMED_MAX:
            problem = f"cannot name {len(new)} devices in one wave, at most {NAMED_MAX}"
            return f"{problem}: write a share of the fleet"
        if new:
            self._named |= new
            self.found.append(Wave(nodes=tuple(sorted(new)), share=self._share))
        return ""

    def _labelled(self, key: str, value: str) -> Iterator[Candidate]:
        for each in self._fleet:
            worn = each.site if key == SITE else each.labels.get(key)
            if worn == value:
                yield each

    def _counted(self, count: int) -> Iterator[Candidate]:
        """Yield so many, those of earlier waves included."""
        running = [each for each in self._fleet if each.runs] or self._fleet
        free = [each for each in running if not self._holds(each)]
        yield from free[: max(0, count - len(self._named))]

    def _holds(self, device: Candidate) -> bool:
        return device.name in self._named or self._lot(device) < self._share

    def _lot(self, device: Candidate) -> int:
        return lot(self._deployment, device.name)


def _nameless(limits: Rollout) -> tuple[Rollout, list[tuple[bool, int]]]:
    shares = [(bool(wave.nodes), wave.share) for wave in limits.waves]
    return msgspec.structs.replace(limits, waves=limits.waves[-1:]), shares
