"""What a report says this device holds: what the hub need not send again.

Other devices' documents are left out: a site of a hundred would triple every report.
The plan stands for them. It is listed only while everything it rests on is here, so a
hub that sees it missing sends it again with all of that.
"""

from collections.abc import Set as AbstractSet

from edge.documents import Plan, SiteMember
from edge.model import Held
from edge.trust import Ledger


def held(ledger: Ledger, missing: AbstractSet[str]) -> tuple[Held, ...]:
    """Return the newest of every stream whose document is on this disk.

    ``missing`` are streams whose counter is known and whose document is not.
    """
    return tuple(
        Held(stream=stream, version=head.counter[-1], digest=head.digest)
        for stream, head in sorted(ledger.heads.items())
        if head.digest and stream not in missing and _is_told(stream, ledger, missing)
    )


def is_own(stream: str, ledger: Ledger) -> bool:
    """Return whether a stream is about this device or everyone, not a neighbour."""
    kind, _, about = stream.partition("/")
    if kind in {"member", "node"}:
        return about == ledger.me
    enrolled = ledger.members.get(ledger.me)
    return kind != "voucher" or enrolled is None or about == enrolled.member.voucher


def is_complete(plan: Plan, ledger: Ledger, missing: AbstractSet[str]) -> bool:
    """Return whether everything a plan rests on is on this disk."""
    works = {each.slot.partition("/")[0]: each.version for each in plan.slots}
    return all(_is_here(each, ledger) for each in plan.members) and all(
        _is_known(name, version, ledger, missing) for name, version in works.items()
    )


def _is_told(stream: str, ledger: Ledger, missing: AbstractSet[str]) -> bool:
    kind, _, site = stream.partition("/")
    if kind != "plan":
        return is_own(stream, ledger)
    plan = ledger.plans.get(site)
    is_mine = site == ledger.site_of(ledger.me)
    return plan is not None and is_mine and is_complete(plan, ledger, missing)


def _is_here(member: SiteMember, ledger: Ledger) -> bool:
    """Return whether a neighbour's documents are here; of a revoked one, none must."""
    enrolled, node = ledger.members.get(member.device), ledger.nodes.get(member.device)
    if ledger.is_revoked(member.device):
        return True
    if enrolled is None or enrolled.member.version < member.member_version:
        return False
    return (node.version if node else 0) >= member.node_version


def _is_known(
    name: str, version: int, ledger: Ledger, missing: AbstractSet[str]
) -> bool:
    """Return whether a deployment is here, or was ended after the plan was made."""
    head = ledger.head(f"deployment/{name}")
    is_here = head is not None and f"deployment/{name}" not in missing
    return is_here and head is not None and head.counter >= (version,)
