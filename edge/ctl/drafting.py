"""A deploy, drafted: from what is to run to what would be signed, and what that means.

The same for a manifest and for an old version that is to run again: secrets are
foreseen or sealed, places are predicted by the function the hub uses, and the limits
of the rollout are resolved by the fleet at hand. Nothing is signed here but what is
sealed.
"""

import sys
from collections.abc import Callable, Iterable, Sequence

import click
import msgspec

from edge import placement
from edge.ctl import ballot, handout, impact, past, sets, staging, survey
from edge.ctl import plan as plans
from edge.ctl.fleet import Fleet
from edge.ctl.handout import Handout, Rows
from edge.ctl.impact import Ground
from edge.ctl.plan import Plan
from edge.ctl.prospects import Outlook
from edge.ctl.sets import Clash
from edge.ctl.staging import Candidate
from edge.documents import Deployment, Voters
from edge.errors import EdgeError
from edge.model import Workload
from edge.names import NodeName

Stage = Callable[[Deployment, Sequence[Candidate], int], Deployment]
"""Takes a version, the devices it comes to and the version to go back to; returns it
under the limits of its rollout."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run."""

    name: str
    workloads: tuple[Workload, ...]
    stage: Stage
    is_forced: bool = False
    """Whether it is signed anew although the newest version says the same."""
    refused: Callable[[Clash], EdgeError] = lambda found: EdgeError(found.problem)
    """Returns the error for two sets that cannot run side by side."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A deploy, ready to be looked at and signed."""

    deployment: Deployment
    before: Deployment | None
    plan: Plan
    handout: Handout
    ground: Ground
    voters: tuple[Voters, ...] = ()
    """First voters of sites that ``strict`` work comes to."""


def learn(opened: Fleet, name: str, workloads: Iterable[Workload]) -> Rows:
    """Fetch what planning needs: trust, deployments, figures, and devices if sealed."""
    opened.sync_trust()
    if any(each.secrets or each.failover == "strict" for each in workloads):
        handout.learn(opened, secrets=f"{name}/")
        opened.fetch("voters/")
    opened.fetch("deployment/")
    newest = opened.ledger.deployments.get(name)
    if newest is not None and staging.is_unpromoted(newest, None):
        opened.fetch(f"control/{name}")
    opened.warn()
    return Rows(nodes=opened.hub.nodes(), replicas=opened.hub.replicas())


def draft(
    opened: Fleet, content: Content, rows: Rows, *, is_dry: bool, is_yes: bool = False
) -> Draft:
    """Return the next version and what it means; a dry run asks and opens nothing."""
    deployment = _next_version(opened, content)
    made = _handout(opened, deployment, rows, is_dry=is_dry, is_yes=is_yes)
    return _planned(opened, content, deployment, rows, made)


def _next_version(opened: Fleet, content: Content) -> Deployment:
    """Return the next version of the deployment, as it would be signed."""
    stream = f"deployment/{content.name}"
    head = opened.ledger.head(stream)
    return Deployment(
        fleet=opened.context.fleet,
        name=content.name,
        version=opened.memory.next_version(stream),
        issued_at=opened.now(),
        workloads=content.workloads,
        parent=head.digest if head else "",
        scope=opened.scope_of(content.name),
    )


def _handout(
    opened: Fleet, deployment: Deployment, rows: Rows, *, is_dry: bool, is_yes: bool
) -> Handout:
    """Return what its secrets need; a dry run asks nothing and opens nothing."""
    if not any(workload.secrets for workload in deployment.workloads):
        return Handout()

    def ask(question: str) -> bool:
        if is_yes or is_dry:
            return is_yes
        return sys.stdin.isatty() and click.confirm(question, err=True)

    found = handout.sort_devices(opened, rows, ask)
    return found.foreseen(deployment) if is_dry else found.handout(deployment)


def _planned(
    opened: Fleet, content: Content, deployment: Deployment, rows: Rows, made: Handout
) -> Draft:
    """Place the deployment as the hub will, once it has what is handed out."""
    ledger = opened.ledger
    before = ledger.deployments.get(deployment.name)
    others = [each for each in ledger.deployments.values() if each is not before]
    views = handout.after(survey.nodes(rows.nodes, ledger), made)
    current = survey.current(rows.replicas, [*others, *([before] if before else [])])
    placed = placement.assign([deployment], views, current)
    where = survey.places(rows.replicas, deployment.name)
    fleet = staging.candidates(views, placed.places, where)
    word = ledger.controls.get(deployment.name)
    back = staging.fallback(before, rows.replicas, word)
    deployment = content.stage(deployment, fleet, back)
    is_new = content.is_forced or not plans.is_same(before, deployment)
    if before and not is_new:
        is_new = past.was_taken_back(opened, before)
    if before and not is_new:
        deployment = before
    else:
        _refuse_clash(opened, content, before, deployment)
    outlook = Outlook(
        deployment=deployment,
        nodes=views,
        places=placed.places,
        others=survey.current(rows.replicas, others),
        ids={NodeName(row.name): row.id for row in rows.nodes},
    )
    foreseen = ballot.foresee(opened, outlook)
    missing = [f"secret {name} was never set" for name in made.missing]
    said = {
        "secrets": (*missing, *made.notes),
        "voters": foreseen.voters,
        "prospects": foreseen.prospects,
    }
    older = past.running(opened, before, rows.replicas) if is_new else ()
    ground = Ground(
        before=before,
        after=deployment,
        nodes={view.name: view for view in views},
        others=outlook.others,
        runs=survey.running(rows.replicas, older),
        disks=survey.disks(rows.nodes),
    )
    plan = plans.make(before, deployment, placed, where, ground.runs)
    found = impact.told(plan, ground)
    return Draft(
        deployment=deployment,
        before=before,
        plan=msgspec.structs.replace(found, **said),
        handout=made,
        ground=ground,
        voters=foreseen.documents,
    )


def _refuse_clash(
    opened: Fleet, content: Content, before: Deployment | None, made: Deployment
) -> None:
    """Raise where a blue-green version wants a host port of the set beside it."""
    is_beside = made.rollout is not None and made.rollout.strategy == "blue-green"
    if before is None or not (is_beside and made.fallback):
        return
    old = before
    if made.fallback != before.version:
        kept = opened.hub.revisions(made.name)
        old = past.version(opened, before, made.fallback, kept)
    found = sets.clash(old, made)
    if found is not None:
        raise content.refused(found)
