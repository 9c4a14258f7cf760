"""Rules for what operators sign."""

from functools import partial
from typing import cast

from edge.documents import (
    Control,
    Deployment,
    Node,
    Revocation,
    Scope,
    Secret,
    Tombstone,
    Voters,
    Voucher,
)
from edge.names import is_label
from edge.staging import waves, windows
from edge.trust import authority
from edge.trust.authority import Reach
from edge.trust.claim import Claim
from edge.trust.ledger import Enrolled
from edge.trust.verdict import Refused

Standing = tuple[str, dict[str, str]]
"""A device's site and labels."""


def revocation(claim: Claim) -> Refused | None:
    """An unscoped operator revokes; nothing ever leaves the list."""
    document = cast("Revocation", claim.document)  # the rule table pairs kind and rule
    beyond = "only an operator without a scope revokes"
    refused = authority.consent(claim, authority.is_fleet_wide, beyond)
    before = claim.ledger.revocation
    if refused or claim.is_settled or before is None:
        return refused
    if document.version < before.version:
        return None  # rolled back, which has its own name
    is_kept = set(before.devices) <= set(document.devices) and set(
        before.vouchers
    ) <= set(document.vouchers)
    return None if is_kept else Refused(reason="rolled-back", problem="it forgets some")


def voucher(claim: Claim) -> Refused | None:
    """An operator vouches, inside the scope, for a window that makes sense."""
    document = cast("Voucher", claim.document)
    if document.closes_at <= document.opens_at:
        return Refused(reason="malformed", problem="the voucher closes before it opens")
    covers = partial(_reaches, ((document.site, document.labels),))
    reach = _both(_named(document.scope), covers)
    refused = authority.consent(claim, reach, _beyond(document.site))
    return refused or _odd_label(document.labels)


def node(claim: Claim) -> Refused | None:
    """An operator speaks of a member that is known, by its digest.

    A scope must reach the device as it stands *and* as it would be, or one could pull
    its neighbours' devices over. Devices see only the newest word on a neighbour, not
    those before it; for them it must reach what is said now.
    """
    document = cast("Node", claim.document)
    reach = _node_reach(claim, document)
    refused = authority.consent(claim, reach, _beyond(document.site))
    refused = refused or _odd_label(document.labels)
    if refused:
        return refused
    return None if claim.is_settled else _wrong_member(claim, document)


def voters(claim: Claim) -> Refused | None:
    """An operator names a site's voters; each version changes one of them at most."""
    document = cast("Voters", claim.document)
    covers = partial(_reaches, ((document.site, {}),))
    reach = _both(_named(document.scope), covers)
    beyond = f"the voters of site {document.site!r} are beyond the scope"
    refused = authority.consent(claim, reach, beyond)
    if refused or claim.is_settled:
        return refused
    return _elsewhere(claim, document) or _unlike(claim, document)


def deployment(claim: Claim) -> Refused | None:
    """An operator deploys under a name of its scope, within what it covers."""
    document = cast("Deployment", claim.document)
    names = [workload.name for workload in document.workloads]
    if len(set(names)) != len(names):
        return Refused(reason="malformed", problem="two workloads have one name")
    if said := _rollout_problem(document):
        return Refused(reason="malformed", problem=said)
    owns = _owns(claim, document.stream, document.scope)
    refused = authority.consent(claim, owns, _others(document.stream))
    for workload in document.workloads:
        covers = partial(authority.covers_workload, workload=workload)
        beyond = f"workload {workload.name!r} reaches beyond the scope"
        refused = refused or authority.consent(claim, _both(owns, covers), beyond)
    return refused


def tombstone(claim: Claim) -> Refused | None:
    """Whoever may deploy under a name may end it."""
    document = cast("Tombstone", claim.document)
    owns = _owns(claim, document.stream, document.scope)
    return authority.consent(claim, owns, _others(document.stream))


def control(claim: Claim) -> Refused | None:
    """Whoever may deploy under a name may pause, promote or abort it."""
    document = cast("Control", claim.document)
    owns = _owns(claim, f"deployment/{document.name}", document.scope)
    return authority.consent(claim, owns, _others(document.stream))


def secret(claim: Claim) -> Refused | None:
    """An operator seals for a device or for operators; a device takes only its own.

    Its deployment may not be known yet: `open_secret` compares the scopes again.
    """
    document = cast("Secret", claim.document)
    owner = f"deployment/{document.name.partition('/')[0]}"
    stream = owner if claim.ledger.owner(owner) is not None else document.stream
    owns = _owns(claim, stream, document.scope)
    refused = authority.consent(claim, owns, _others(document.name))
    if refused:
        return refused
    if claim.ledger.me and document.recipient != claim.ledger.me:
        problem = f"it is for {document.recipient}"
        return Refused(reason="wrong-recipient", problem=problem)
    return None


def _rollout_problem(document: Deployment) -> str:
    """Return why nobody could follow its rollout, "" if one could.

    Not whether its zone is known: that differs from one machine to the next.
    """
    if document.fallback and document.fallback >= document.version:
        return f"version {document.version} cannot go back to {document.fallback}"
    rollout = document.rollout
    if rollout is None:
        return ""
    window = windows.malformed(rollout.window) if rollout.window else ""
    return waves.problem(rollout) or window


def _elsewhere(claim: Claim, document: Voters) -> Refused | None:
    ledger = claim.ledger
    if not ledger.me or document.site == ledger.site_of(ledger.me):
        return None
    problem = f"it is for site {document.site}"
    return Refused(reason="wrong-recipient", problem=problem)


def _unlike(claim: Claim, document: Voters) -> Refused | None:
    """Return how voters changed too much: two majorities might not meet.

    Whoever missed versions in between compares with as many changes as there were.
    """
    named, before = set(document.voters), claim.ledger.voters.get(document.site)
    if len(named) < len(document.voters):
        return Refused(reason="malformed", problem="it names a voter twice")
    if before is None or document.version <= before.version:
        return None
    changes = len(named ^ set(before.voters))
    if changes <= document.version - before.version:
        return None
    problem = f"it changes {changes} voters; each version adds or removes one at most"
    return Refused(reason="out-of-limits", problem=problem)


def _node_reach(claim: Claim, document: Node) -> Reach:
    if claim.ledger.me not in {"", document.device}:
        stands = partial(_reaches, ((document.site, document.labels),))
        return _both(_named(document.scope), stands)
    before = _standing(claim, document.device)
    if before is None:
        return authority.is_fleet_wide
    covers = partial(_reaches, (before, (document.site, document.labels)))
    return _both(_named(document.scope), covers)


def _standing(claim: Claim, device: str) -> Standing | None:
    """Return what operators said of a device so far, None when nothing is known."""
    approved = claim.ledger.nodes.get(device)
    if approved is not None:
        return approved.site, approved.labels
    enrolled = claim.ledger.members.get(device)
    voucher = claim.ledger.vouchers.get(enrolled.member.voucher) if enrolled else None
    return (voucher.site, voucher.labels) if voucher else None


def _wrong_member(claim: Claim, document: Node) -> Refused | None:
    enrolled = claim.ledger.members.get(document.device)
    if enrolled is None:
        return Refused(reason="unknown-device", problem=f"no member {document.device}")
    if enrolled.member.name != document.name or not _is_of(claim, document, enrolled):
        return Refused(reason="wrong-member", problem="it approves another member")
    return None


def _is_of(claim: Claim, document: Node, enrolled: Enrolled) -> bool:
    """Return whether the approved member is the known one, or led to it by its keys.

    A device may see a neighbour's newest member document only.
    """
    is_others = claim.ledger.me not in {"", document.device}
    is_later = is_others and enrolled.member.version > 1
    return enrolled.digest == document.member or is_later


def _reaches(standings: tuple[Standing, ...], scope: Scope) -> bool:
    return all(
        authority.covers_device(scope, site, labels) for site, labels in standings
    )


def _owns(claim: Claim, stream: str, name: str) -> Reach:
    owner = claim.ledger.owner(stream)
    return partial(authority.covers_name, owner=owner, name=name)


def _named(name: str) -> Reach:
    """Return who may sign as ``name`` for what belongs to nobody yet."""
    return partial(authority.covers_name, owner=None, name=name)


def _both(first: Reach, second: Reach) -> Reach:
    return lambda scope: first(scope) and second(scope)


def _odd_label(labels: dict[str, str]) -> Refused | None:
    """What a device says of itself (``fact.``) never comes from an operator."""
    odd = [key for key, value in labels.items() if not is_label(key, value)]
    if not odd:
        return None
    return Refused(reason="malformed", problem=f"{odd[0][:64]!r} is no label to give")


def _beyond(site: str) -> str:
    return f"a device at site {site!r} with these labels is beyond the scope"


def _others(stream: str) -> str:
    return f"{stream} belongs to another scope"
