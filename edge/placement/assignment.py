"""Give every slot of every deployment a device, or a reason for each device.

1. What is not asked about keeps what it holds.
2. What is in its place stays, as long as the filters let it; what was not changed
   comes first, so a new version never pushes out a stranger.
3. `every` workloads take their devices, then replicas spread over the rest.
4. What found no place is explained, against the fleet as it is after all that.

Running it again on its own answer changes nothing, and neither does a new device.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, assert_never

import msgspec

from edge.model import Workload
from edge.names import NodeName, Slot, node_slot, numbered_slot
from edge.placement import filters
from edge.placement.filters import Ask
from edge.placement.spread import spread
from edge.placement.views import Held, Load, NodeView

NAMED_MAX = 3  # devices named for one reason; the rest are counted


class Request(Protocol):
    """What is to be placed: `edge.documents.Deployment` is one."""

    @property
    def name(self) -> str:
        """Return the deployment's name, one request for each."""

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Return its workloads."""


class Unplaced(msgspec.Struct, frozen=True, kw_only=True):
    """A slot without a place, and why not on each device it might have had."""

    slot: Slot
    reasons: Mapping[NodeName, str]


class Unmatched(msgspec.Struct, frozen=True, kw_only=True):
    """An `every` workload that no device carries the label for: it has no slots."""

    deployment: str
    workload: str
    reasons: Mapping[NodeName, str]


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: a device for a slot, or reasons."""

    places: Mapping[Slot, NodeName]
    unplaced: tuple[Unplaced, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    waiting: tuple[Unplaced, ...] = ()
    """Slots that wait until another device has stopped them; the hub adds these."""


class _Group(msgspec.Struct, frozen=True, kw_only=True):
    """The slots of one workload; a slot of `every` names its device, others None."""

    ask: Ask
    slots: Mapping[Slot, NodeName | None]


class _Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The devices by name, what is promised on each, and what stood before."""

    nodes: Mapping[NodeName, NodeView]
    loads: Mapping[NodeName, Load]
    current: Mapping[Slot, Held]
    places: dict[Slot, NodeName] = msgspec.field(default_factory=dict)

    def place(self, slot: Slot, workload: Workload, name: NodeName) -> None:
        self.places[slot] = name
        self.loads[name].add(slot, workload)

    def reason(self, ask: Ask, name: NodeName) -> str | None:
        return filters.reason(ask, self.nodes[name], self.loads[name])


def assign(
    requests: Iterable[Request],
    nodes: Iterable[NodeView],
    current: Mapping[Slot, Held],
) -> Placement:
    """Return where each slot of ``requests`` belongs among ``nodes``.

    ``current`` is where slots are now, those of deployments outside ``requests``
    included: they keep what they hold and are no part of the answer. A slot that is
    asked for no longer (fewer replicas, a label gone) holds nothing.
    """
    by_name = {node.name: node for node in sorted(nodes, key=lambda node: node.name)}
    loads = {name: Load() for name in by_name}
    fleet = _Fleet(nodes=by_name, loads=loads, current=current)
    asked = sorted(requests, key=lambda request: request.name)
    groups = list(_groups(asked, by_name))
    _leave_others(fleet, {request.name for request in asked})
    _keep(fleet, groups)
    for group in sorted(groups, key=lambda group: not group.ask.workload.every):
        _fill(fleet, group)
    return Placement(
        places=dict(sorted(fleet.places.items())),
        unplaced=tuple(one for group in groups for one in _unplaced(fleet, group)),
        unmatched=tuple(_unmatched(groups, by_name)),
    )


def _groups(
    requests: Iterable[Request], nodes: Mapping[NodeName, NodeView]
) -> Iterator[_Group]:
    for request in requests:
        for workload in sorted(request.workloads, key=lambda workload: workload.name):
            ask = Ask(deployment=request.name, workload=workload)
            yield _Group(ask=ask, slots=_slots(ask, nodes))


def _slots(
    ask: Ask, nodes: Mapping[NodeName, NodeView]
) -> Mapping[Slot, NodeName | None]:
    deployment, workload = ask.deployment, ask.workload
    if workload.every:
        return {
            node_slot(deployment, workload.name, name): name
            for name, node in nodes.items()
            if not filters.eligible(workload, site=node.site, labels=node.labels)
        }
    return {
        numbered_slot(deployment, workload.name, index): None
        for index in range(1, workload.replicas + 1)
    }


def _leave_others(fleet: _Fleet, asked: set[str]) -> None:
    for slot, held in sorted(fleet.current.items()):
        is_other = slot.partition("/")[0] not in asked
        if is_other and held.node in fleet.loads:
            fleet.loads[held.node].add(slot, held.workload)


def _keep(fleet: _Fleet, groups: list[_Group]) -> None:
    """Leave in place what may stay, changed replicas last."""
    staying = [
        (held.workload != group.ask.workload, slot, held.node, _stay(group.ask, held))
        for group in groups
        for slot, pin in group.slots.items()
        if (held := fleet.current.get(slot)) and pin in (None, held.node)
    ]
    for _, slot, name, ask in sorted(staying, key=lambda each: each[:2]):
        if name in fleet.nodes and not fleet.reason(ask, name):
            fleet.place(slot, ask.workload, name)


def _stay(ask: Ask, held: Held) -> Ask:
    return Ask(deployment=ask.deployment, workload=ask.workload, was=held.workload)


def _fill(fleet: _Fleet, group: _Group) -> None:
    """Find places for the slots of a workload that have none yet."""
    new = [slot for slot in group.slots if slot not in fleet.places]
    if not group.ask.workload.every:
        here = [fleet.places[slot] for slot in group.slots if slot in fleet.places]
        found = spread(group.ask, new, fleet.nodes, fleet.loads, here) if new else {}
        fleet.places.update(found)
        return
    for slot in new:
        name = group.slots[slot]
        if name and not fleet.reason(group.ask, name):
            fleet.place(slot, group.ask.workload, name)


def _unplaced(fleet: _Fleet, group: _Group) -> Iterator[Unplaced]:
    """Yield what found no place; numbered slots of a workload share their reasons."""
    missing = [slot for slot in group.slots if slot not in fleet.places]
    if not missing:
        return
    shared = {} if group.ask.workload.every else _reasons(fleet, group.ask, fleet.nodes)
    for slot in missing:
        name = group.slots[slot]
        if name is None:
            yield Unplaced(slot=slot, reasons=shared)
        else:
            held = fleet.current.get(slot)
            ask = group.ask
            if held and held.node == name:
                ask = _stay(ask, held)
            yield Unplaced(slot=slot, reasons=_reasons(fleet, ask, (name,)))


def _reasons(
    fleet: _Fleet, ask: Ask, names: Iterable[NodeName]
) -> Mapping[NodeName, str]:
    return {name: why for name in names if (why := fleet.reason(ask, name))}


def _unmatched(
    groups: list[_Group], nodes: Mapping[NodeName, NodeView]
) -> Iterator[Unmatched]:
    for group in groups:
        workload = group.ask.workload
        if workload.every and not group.slots:
            reasons = {
                name: filters.eligible(workload, site=node.site, labels=node.labels)
                or ""
                for name, node in nodes.items()
            }
            yield Unmatched(
                deployment=group.ask.deployment,
                workload=workload.name,
                reasons=reasons,
            )


def held(
    requests: Iterable[Request], places: Mapping[Slot, NodeName]
) -> dict[Slot, Held]:
    """Return ``places`` as the ``current`` of a next `assign`.

    Places whose workload is not in ``requests`` are left out.
    """
    workloads = {
        f"{request.name}/{workload.name}": workload
        for request in requests
        for workload in request.workloads
    }
    found: dict[Slot, Held] = {}
    for slot, name in places.items():
        if workload := workloads.get(_workload_of(slot)):
            found[slot] = Held(node=name, workload=workload)
    return found


def _workload_of(slot: Slot) -> str:
    return slot.partition("@")[0].partition(".")[0]


def explain(failure: Unplaced | Unmatched) -> str:
    """Return why there is no place, as a sentence: reasons first, then devices."""
    match failure:
        case Unplaced():
            subject = failure.slot
        case Unmatched():
            subject = Slot(f"{failure.deployment}/{failure.workload}")
        case _:
            assert_never(failure)
    by_reason: dict[str, list[str]] = {}
    for name, why in sorted(failure.reasons.items()):
        by_reason.setdefault(why, []).append(name)
    if not by_reason:
        return f"cannot place {subject}: the fleet has no devices yet"
    parts = [f"{why} ({_named(names)})" for why, names in by_reason.items()]
    return f"cannot place {subject}: {'; '.join(parts)}"


def _named(names: list[str]) -> str:
    if len(names) <= NAMED_MAX + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED_MAX])} and {len(names) - NAMED_MAX} more"
