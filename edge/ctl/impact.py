"""What a plan means on each device: in which wave, in which order, who loses service.

Times are estimates and are called so. What has to be fetched: `edge.ctl.pulls`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from edge.ctl import difference, units
from edge.ctl.handover import gap, handover, starting
from edge.ctl.plan import Change, Plan
from edge.documents import Deployment
from edge.model import Workload
from edge.names import NodeName, Slot, replica_of
from edge.placement import Held, NodeView
from edge.placement.views import SYSTEM_RESERVE
from edge.staging import waves
from edge.staging.shapes import Rollout

NAMED_MAX = 4
SHORT_MAX = 5  # devices without room that are told of; the rest are counted


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The versions, and the fleet they meet."""

    before: Deployment | None
    after: Deployment
    nodes: Mapping[NodeName, NodeView]
    others: Mapping[Slot, Held] = field(default_factory=dict)
    """What runs besides this deployment."""
    runs: Mapping[Slot, Workload] = field(default_factory=dict)
    """What slots run that are not at the version before."""
    disks: Mapping[NodeName, int] = field(default_factory=dict)
    """Bytes free where images go, of devices that said so."""

    @property
    def limits(self) -> Rollout | None:
        """Return the limits that hold: without a way back there is no rollout."""
        return self.after.rollout if self.after.fallback else None

    @cached_property
    def old(self) -> Mapping[str, Workload]:
        """Return the workloads of the version before, by name."""
        workloads = self.before.workloads if self.before else ()
        return {each.name: each for each in workloads}

    def was(self, change: Change) -> Workload | None:
        """Return what a slot runs until now."""
        return self.runs.get(change.slot, self.old.get(change.workload))

    @cached_property
    def new(self) -> Mapping[str, Workload]:
        """Return the workloads of the new version, by name."""
        return {each.name: each for each in self.after.workloads}


def told(plan: Plan, ground: Ground) -> Plan:
    """Return the plan with waves and orders, and who loses service for how long."""
    changes = tuple(_staged(ground, each) for each in plan.changes)
    staged = msgspec.structs.replace(plan, changes=changes)
    return msgspec.structs.replace(
        staged,
        course=tuple(_course(staged, ground)),
        losses=tuple(_losses(staged, ground)),
        shortages=some(_memory_shortages(staged, ground)),
    )


def _staged(ground: Ground, change: Change) -> Change:
    if change.kind in {"unchanged", "removed"}:
        return change
    wave, order, limits = 0, "", ground.limits
    if limits is not None:
        wave = waves.wave_of(ground.after.name, limits, change.node) + 1
    if change.kind == "changed":
        order = handover(ground.new[change.workload], ground.after.rollout).order
    return msgspec.structs.replace(change, wave=wave, order=order)


def _course(plan: Plan, ground: Ground) -> Iterator[str]:
    """Yield the limits in a sentence, then each wave with its devices."""
    limits, touched = ground.limits, [each for each in plan.changes if each.wave]
    if limits is None or not touched:
        return
    yield f"{limits.strategy}, {_limits(limits)}; {_failing(limits, ground.after)}"
    for number, wave in enumerate(limits.waves, start=1):
        names = sorted({each.node for each in touched if each.wave == number})
        whom = named(names) if names else "nobody yet"
        yield f"wave {number} ({difference.wave(wave)}): {whom}"


def _limits(limits: Rollout) -> str:
    alone = ", never two of one site" if limits.group_by == "site" else ""
    window = limits.window
    when = (
        f"; begins only while its window is open ({window.opens}, {window.zone}, "
        f"for {units.duration(window.lasts)})"
        if window
        else ""
    )
    count = f"at most {difference.limit(limits.max_unavailable)} away at a time{alone}"
    if limits.strategy == "blue-green":
        kept = f"and {units.duration(limits.keep_for)} after it"
        count = f"the old set runs on until the promote {kept}"
    proof = f"each proves itself by {units.duration(limits.healthy_for)} of health"
    return f"{count}; {proof}{when}"


def _failing(limits: Rollout, after: Deployment) -> str:
    if limits.on_failure == "pause":
        return "pauses when one fails"
    return f"all go back to version {after.fallback} when one fails"


def _losses(plan: Plan, ground: Ground) -> Iterator[str]:
    changed = Counter(each.workload for each in plan.changes if each.order)
    placed = Counter(each.workload for each in plan.changes if each.node)
    for name, count in sorted(changed.items()):
        workload, limits = ground.new[name], ground.limits
        found = handover(workload, ground.after.rollout)
        said = f"{name}: {found.order}, because {found.why}"
        if found.order == "start-first":
            yield f"{said}: nobody loses it{_beside(_peak(ground, name))}"
            continue
        at_once = _at_once(plan, limits, count)
        if not at_once:
            yield f"{said}: it is never replaced, for max_unavailable is 0"
            continue
        serve = _serving(workload, placed[name], at_once)
        yield f"{said}: each is away for about {_away(workload)}{serve}"


def _away(workload: Workload) -> str:
    stop, start = units.span(workload.stop_after), units.span(starting(workload))
    parts = f"{stop} to stop at most, {start} to start"
    return f"{units.span(gap(workload))} (an estimate: {parts})"


def _peak(ground: Ground, name: str) -> int:
    """Return the memory that is needed beside what stays, in bytes.

    Of a blue-green rollout it is the old copy's: the new one is there to stay.
    """
    limits, new = ground.limits, ground.new[name]
    is_kept = limits is not None and limits.strategy == "blue-green"
    return (ground.old.get(name, new) if is_kept else new).resources.memory


def _beside(memory: int) -> str:
    more = f"; {units.size(memory)} more memory on its device" if memory else ""
    return f"{more} while both run" if more else ""


def _at_once(plan: Plan, limits: Rollout | None, count: int) -> int:
    """Return how many of ``count`` replicas may be away at once."""
    if limits is None:
        return count
    units_of_it = sum(bool(each.node) for each in plan.changes)
    return min(count, waves.allowed(limits.max_unavailable, units_of_it))


def _serving(workload: Workload, placed: int, at_once: int) -> str:
    if workload.every:
        return f", {at_once} of {placed} devices at a time"
    left = placed - at_once
    if left <= 0:
        return "; nobody else serves meanwhile"
    return f"; {left} of {placed} serve meanwhile"


def _memory_shortages(plan: Plan, ground: Ground) -> Iterator[str]:
    """Yield where two copies at once are promised more memory than there is."""
    promised: Counter[str] = Counter()
    for held in ground.others.values():
        promised[held.node] += held.workload.resources.memory
    for each in plan.changes:
        if each.node:
            promised[each.node] += ground.new[each.workload].resources.memory
    for each in plan.changes:
        node = ground.nodes.get(NodeName(each.node))
        if each.order != "start-first" or node is None or not node.memory:
            continue
        memory = _peak(ground, each.workload)
        room = node.memory - SYSTEM_RESERVE - promised[each.node]
        if memory > max(room, 0):
            yield (
                f"{each.node} has {units.about(max(room, 0))} of memory to promise, a "
                f"second {replica_of(each.slot)} needs {units.about(memory)}"
            )


def some(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return the first sentences, and how many more there are, one for each device."""
    found = list(sentences)
    more = len(found) - SHORT_MAX
    return (*found[:SHORT_MAX], *([f"and {more} more devices"] if more > 0 else []))


def named(names: list[str]) -> str:
    """Return a few names, and how many more there are."""
    if len(names) <= NAMED_MAX + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} more"
