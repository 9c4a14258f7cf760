"""What a device is given with its site's plan: everything the plan rests on.

- In the order of judging: vouchers, members, node documents, voters, deployments; the
  plan comes last.
- A report lists no neighbours' documents (`node.inventory`). It lists a plan only
  while all that it rests on is on the disk: so whoever lists a plan that this hub
  signed holds the ``basis`` of that plan, and lacks what the newest one adds.
- A message stays under the size of a bundle. What reports do list, deployments above
  all, follows the next report.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from edge import topics
from edge.documents import Plan
from edge.names import FleetName
from edge.trust import Ledger
from hub import messages
from hub.fleet import Standing
from hub.publication import Wanted
from hub.shelf import COMMA, Kept, Shelf, fitting

Bases = Mapping[str, frozenset[str]]
"""Digest of a plan → digests of what it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Where documents are, and what earlier plans rested on."""

    fleet: FleetName
    ledger: Ledger
    shelf: Shelf
    bases: Bases


def basis(ledger: Ledger, shelf: Shelf, plan: Plan) -> frozenset[str]:
    """Return the digests of the documents about devices that a plan names.

    One that is newer by now is none of them: who holds the plan may hold the older.
    """
    versions = {
        **{f"member/{each.device}": each.member_version for each in plan.members},
        **{f"node/{each.device}": each.node_version for each in plan.members},
    }
    found = (shelf.get(stream) for stream in _devices(ledger, plan))
    return frozenset(
        kept.digest
        for kept in found
        if kept and kept.counter == (versions.get(kept.stream, 1),)
    )


def wanted(library: Library, standing: Standing, plan: Plan | None) -> Wanted:
    """Return what a device should find at its topic; nothing if no plan names it."""
    topic = topics.plan(library.fleet, standing.name)
    kept = library.shelf.get(f"plan/{standing.site}")
    is_named = plan and any(each.device == standing.device for each in plan.members)
    if plan is None or kept is None or not is_named:
        return Wanted(topic=topic, rank=messages.PLAN)
    held = messages.held_by(standing.heard.report if standing.heard else None)
    listed = held.get(plan.stream)
    known = library.bases.get(listed.digest, frozenset()) if listed else frozenset()
    lacking = _lacking(library, plan, known)
    reserved = len(kept.envelope) + COMMA
    return Wanted(
        topic=topic,
        documents=(*fitting(messages.lacking(lacking, held), reserved, 1), kept),
        spare=frozenset(each.digest for each in held.values()) | known,
        rank=messages.PLAN,
    )


def _lacking(library: Library, plan: Plan, known: frozenset[str]) -> Iterator[Kept]:
    """Yield what a device may lack; of what it lists, the report says more."""
    streams = (
        *_devices(library.ledger, plan),
        plan.stream.replace("plan/", "voters/", 1),
        *dict.fromkeys(
            f"deployment/{each.slot.partition('/')[0]}" for each in plan.slots
        ),
    )
    found = (library.shelf.get(stream) for stream in streams)
    present = (kept for kept in found if kept is not None)
    for kept in messages.with_ways_back(library.shelf, present):
        if kept.digest not in known:
            yield kept


def _devices(ledger: Ledger, plan: Plan) -> Iterable[str]:
    """Return the streams that say who a plan's devices are, in order of judging."""
    named = [each.device for each in plan.members if each.device in ledger.members]
    vouchers = {ledger.members[each].member.voucher for each in named}
    return (
        *(f"voucher/{each}" for each in sorted(vouchers)),
        *(f"member/{each}" for each in named),
        *(f"node/{each}" for each in named),
    )
