"""One plan a site: what its survivors need to take over for each other.

- A slot moves when it is numbered and its workload's ``failover`` is not ``none``; it
  is in the plan of the site its holder is at, once, whoever else still has it during
  a hand-over.
- Members are those that may run something and reported at least once. What is said
  of them is what a taker's eligibility is judged by, and nothing that flutters: free
  disk is left out, of ports and devices only those stay that some slot asks for.
- What equals the last signed plan is not signed again.
- What does not fit into one document is left out by name, and said.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from edge import documents, envelope
from edge.documents import Assignment, Plan, PlanSlot, SiteMember
from edge.model import Facts, Port, ReplicaPlace, Workload
from edge.names import NodeName, Slot
from hub import moves
from hub.assignments import HUB_TERM
from hub.fleet import Standing
from hub.moves import Asked, Ground

MEMBERS_MAX, SLOTS_MAX = 100, 1024  # `edge.documents.Plan` carries no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What plans are made from: the fleet, and who is assigned what from now on."""

    fleet: str
    generation: int
    standings: Mapping[NodeName, Standing]
    ground: Ground
    assignments: Mapping[str, Assignment]
    """By device id."""
    sealed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Device id → names of the secrets sealed to it."""
    versions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Device id → versions of its member and node document, the latter 0 for none."""
    last: Mapping[str, Plan] = field(default_factory=dict)
    """Site → the last plan signed for it."""
    floors: Mapping[str, int] = field(default_factory=dict)
    """``plan/<site>`` → a sequence number that was used, where ``last`` is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """Plans to sign, with their sequence numbers, and what did not fit into them."""

    plans: tuple[Plan, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    """Site and sentence, for those that are signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Movable:
    """A slot of a site, with what runs in it."""

    slot: PlanSlot
    workload: Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needs:
    """What some slot of a site asks of a device: the rest matters to nobody."""

    secrets: frozenset[str]
    devices: frozenset[str]
    ports: frozenset[tuple[int, str]]


def plan(known: Known) -> Succession:
    """Return what must be signed anew; empty when nothing changed."""
    plans: list[Plan] = []
    problems: list[tuple[str, str]] = []
    movable = _movable(known)
    for site, members in sorted(_sites(known.standings).items()):
        made, problem = _fitted(known, site, members, movable.get(site, ()))
        if not _is_signed(known.last.get(site), made):
            plans.append(made)
            problems += [(site, problem)] if problem else []
    return Succession(plans=tuple(plans), problems=tuple(problems))


def _sites(standings: Mapping[NodeName, Standing]) -> dict[str, list[Standing]]:
    sites: dict[str, list[Standing]] = {}
    for _, standing in sorted(standings.items()):
        is_member = standing.is_approved and not standing.is_revoked
        if is_member and standing.heard is not None:
            sites.setdefault(standing.site, []).append(standing)
    return sites


def _movable(known: Known) -> dict[str, list[_Movable]]:
    """Return the slots of each site, in their order; the highest term holds one."""
    holders: dict[str, tuple[int, NodeName, ReplicaPlace]] = {}
    for name, standing in known.standings.items():
        for place in _places(known, standing):
            best = holders.get(place.slot)
            if best is None or (place.term, name) > best[:2]:
                holders[place.slot] = (place.term, name, place)
    sites: dict[str, list[_Movable]] = {}
    for slot, (_, name, place) in sorted(holders.items()):
        asked = _asked(known, place)
        if asked is None or not moves.can_move(asked[1], slot):
            continue
        holder = known.standings[name]
        held = PlanSlot(
            slot=slot,
            node=name,
            device=holder.device,
            version=place.version,
            term=place.term,
        )
        sites.setdefault(holder.site, []).append(_Movable(slot=held, workload=asked[1]))
    return sites


def _places(known: Known, standing: Standing) -> tuple[ReplicaPlace, ...]:
    assignment = known.assignments.get(standing.device)
    return () if standing.is_revoked or assignment is None else assignment.replicas


def _asked(known: Known, place: ReplicaPlace) -> Asked | None:
    """Return what a place belongs to, in its own version where that is known."""
    before = known.ground.before.get(place.deployment)
    if before is not None and before.version == place.version:
        return moves.workload_of({before.name: before}, Slot(place.slot))
    return known.ground.asked(Slot(place.slot))


def _fitted(
    known: Known, site: str, members: list[Standing], movable: Iterable[_Movable]
) -> tuple[Plan, str]:
    """Return a site's plan as far as it fits into one document, and what did not."""
    kept, slots = members[:MEMBERS_MAX], sorted(movable, key=_is_spared)
    left = slots[:SLOTS_MAX]
    made = _plan(known, site, kept, left)
    while left and len(documents.encode(made)) > envelope.PAYLOAD_MAX:
        left = left[: len(left) // 2]
        made = _plan(known, site, kept, left)
    lost = len(members) - len(kept), len(slots) - len(left)
    if not any(lost):
        return made, ""
    return made, f"{lost[0]} devices and {lost[1]} slots are too many for its plan"


def _is_spared(movable: _Movable) -> bool:
    """Order what is left out first last: unnamed, a ``strict`` slot gets no lease."""
    return movable.workload.failover != "strict"


def _plan(
    known: Known, site: str, members: Iterable[Standing], movable: list[_Movable]
) -> Plan:
    needs = _needs(movable)
    last = known.last.get(site)
    floor = known.floors.get(f"plan/{site}", 0)
    return Plan(
        fleet=known.fleet,
        site=site,
        generation=known.generation,
        term=HUB_TERM,
        seq=max(last.seq if last else 0, floor) + 1,
        members=tuple(_member(known, each, needs) for each in members),
        slots=tuple(sorted((each.slot for each in movable), key=lambda it: it.slot)),
    )


def _is_signed(last: Plan | None, made: Plan) -> bool:
    return last is not None and msgspec.structs.replace(made, seq=last.seq) == last


def _needs(movable: Iterable[_Movable]) -> _Needs:
    workloads = {
        (each.slot.slot.partition("/")[0], each.workload.name): each.workload
        for each in movable
    }
    return _Needs(
        secrets=frozenset(
            f"{owner}/{name}"
            for (owner, _), each in workloads.items()
            for name in each.secrets
        ),
        devices=frozenset(d for each in workloads.values() for d in each.devices),
        ports=frozenset(
            (port.host, port.protocol)
            for each in workloads.values()
            for port in each.ports
        ),
    )


def _member(known: Known, standing: Standing, needs: _Needs) -> SiteMember:
    fixed = tuple(_fixed(known, standing))
    sealed = known.sealed.get(standing.device, frozenset())
    versions = known.versions.get(standing.device, (1, 0))
    heard = standing.heard
    return SiteMember(
        name=standing.name,
        device=standing.device,
        address=heard.report.address if heard else "",
        facts=_facts(heard.facts if heard else None, fixed, needs),
        reserved=sum(each.resources.memory for each in fixed),
        sealed=tuple(sorted(needs.secrets & sealed)),
        member_version=versions[0],
        node_version=versions[1],
    )


def _fixed(known: Known, standing: Standing) -> Iterator[Workload]:
    """Yield what runs on a device and never moves, once for each replica."""
    for place in _places(known, standing):
        asked = _asked(known, place)
        if asked is not None and not moves.can_move(asked[1], place.slot):
            yield asked[1]


def _facts(
    facts: Facts | None, fixed: Iterable[Workload], needs: _Needs
) -> Facts | None:
    """Return what a device is, without what flutters or matters to no slot."""
    if facts is None:
        return None
    taken = [*facts.ports, *(port for each in fixed for port in each.ports)]
    return Facts(
        architecture=facts.architecture,
        memory=facts.memory,
        cpus=facts.cpus,
        model=facts.model,
        devices=tuple(sorted(needs.devices & set(facts.devices))),
        ports=_ports(p for p in taken if (p.host, p.protocol) in needs.ports),
    )


def _ports(taken: Iterable[Port]) -> tuple[Port, ...]:
    """Return each port once, in order; what is behind it inside does not matter."""
    bare = {(port.host, port.protocol, port.address): port for port in taken}
    return tuple(
        Port(host=host, container=host, protocol=protocol, address=address)
        for host, protocol, address in sorted(bare)
    )
