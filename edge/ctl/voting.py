"""How the voters of a site stand: who they are, who knows of them, what they mean.

A next version waits until a majority of the newest one's voters holds that: then nobody
can still collect a majority of the version before (`edge.ctl.voters` lets it change by
one voter only).
"""

from collections.abc import Iterable, Mapping

import msgspec

from edge.ctl import voters
from edge.ctl.shapes import NodeRow, ReplicaRow
from edge.documents import Operator
from edge.trust import Ledger, authority


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The voters of a site; what `edgectl site voters -o json` prints."""

    site: str
    version: int = 0
    """0: nobody was named yet."""
    voters: tuple[str, ...] = ()
    """Names; of a device that is no member any more, its id."""
    majority: int = 0
    may_be_lost: int = 0
    """So many voters may be silent while a lease still comes about."""
    held_by: tuple[str, ...] = ()
    """Voters that said that they hold this version."""
    gone: tuple[str, ...] = ()
    """Voters that are no approved members of the site any more."""


def standing(ledger: Ledger, site: str, rows: Iterable[NodeRow] = ()) -> Standing:
    """Return the voters of a site, by the newest document and the devices' reports."""
    document = ledger.voters.get(site)
    if document is None:
        return Standing(site=site)
    names = {each.id: each.name for each in voters.members(ledger, site)}
    stream, version = f"voters/{site}", document.version
    held = {row.id for row in rows if row.held.get(stream, 0) >= version}
    need = voters.majority(len(document.voters))
    return Standing(
        site=site,
        version=version,
        voters=tuple(sorted(names.get(each, each) for each in document.voters)),
        majority=need,
        may_be_lost=len(document.voters) - need,
        held_by=tuple(
            sorted(names.get(each, each) for each in document.voters if each in held)
        ),
        gone=tuple(sorted(each for each in document.voters if each not in names)),
    )


def concerned(ledger: Ledger, rows: Iterable[ReplicaRow]) -> tuple[str, ...]:
    """Return the sites that have voters, or should: ``strict`` replicas are there."""
    strict = {
        (each.name, workload.name)
        for each in ledger.deployments.values()
        for workload in each.workloads
        if workload.failover == "strict"
    }
    there = {row.site for row in rows if (row.deployment, row.workload) in strict}
    return tuple(sorted({*there, *ledger.voters} - {""}))


def first(
    ledger: Ledger, operator: Operator, sites: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return site → device ids to name where ``strict`` work comes and nobody votes.

    Left out are sites that this operator's scope does not reach, or where nobody is
    approved yet: `edge.ctl.prospects` says that nothing ``strict`` runs there.
    """
    found: dict[str, tuple[str, ...]] = {}
    for site in sorted(set(sites) - ledger.voters.keys()):
        devices = voters.initial(voters.members(ledger, site))
        is_reached = authority.covers_device(operator.scope, site, {})
        if devices and is_reached and not ledger.is_hidden(f"voters/{site}"):
            found[site] = devices
    return found


def names(
    ledger: Ledger, sites: Iterable[str], begun: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return site → names of its voters, those about to be named included."""
    called = {each.member.device: each.member.name for each in ledger.members.values()}
    found: dict[str, tuple[str, ...]] = {}
    for site in sorted(set(sites)):
        held = ledger.voters.get(site)
        devices = held.voters if held else begun.get(site, ())
        if devices:
            found[site] = tuple(sorted(called.get(each, each) for each in devices))
    return found


def unfinished(now: Standing) -> str:
    """Return why a next version must wait, "" when it need not."""
    if len(now.held_by) >= now.majority:
        return ""
    lacking = sorted(set(now.voters) - set(now.held_by))
    return (
        f"version {now.version} reached {len(now.held_by)} of {len(now.voters)} voters"
        f" and {now.majority} must hold it first (not yet: {', '.join(lacking)})"
    )


def meaning(now: Standing) -> str:
    """Return what these voters mean, as a sentence."""
    count, names = len(now.voters), ", ".join(now.voters)
    if not count:
        return f"site {now.site} has no voters: no strict replica can run there"
    if count == 1:
        return (
            f"{names} alone grants leases: while it is lost no strict replica runs at"
            f" {now.site}; what runs on others moves when they are lost"
        )
    if not now.may_be_lost:
        return (
            f"a majority of {count} is {now.majority}: while"
            f" {' or '.join(now.voters)} is lost no strict replica runs at {now.site};"
            " a witness, a third device that is cordoned, lets either be lost"
        )
    return f"{now.majority} of {names} make a lease: {now.may_be_lost} may be lost"


def difference(before: Standing, after: Standing) -> str:
    """Return what changes between two versions, in names."""
    if not before.version:
        return f"site {after.site}: {', '.join(after.voters)} vote"
    new, old = set(after.voters), set(before.voters)
    added = [f"{name} votes" for name in sorted(new - old)]
    removed = [f"{name} votes no more" for name in sorted(old - new)]
    return f"site {after.site}: {', '.join((*added, *removed))}"
