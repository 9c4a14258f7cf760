"""`edgectl plan`, `deploy` and `delete`: from a manifest to replicas that run."""

import sys
import time
from pathlib import Path

import click
import msgspec

from edge import files, manifest, placement
from edge.ctl import follow, handout, registry, render, survey, terminal
from edge.ctl import plan as plans
from edge.ctl.exits import Ended, Exit, not_found
from edge.ctl.fleet import Fleet, open_fleet
from edge.ctl.handout import Handout, Rows
from edge.ctl.options import DURATION, Chosen, shared
from edge.ctl.plan import Plan
from edge.ctl.registry import Resolved
from edge.documents import Deployment, Document, Tombstone
from edge.errors import ManifestError
from edge.manifest import Manifest
from edge.model import Image, Workload

MANIFEST_MAX = 1024 * 1024  # bytes read; the parser's own limit is lower and says so
TIMEOUT = 120.0


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A deploy, ready to be looked at and signed."""

    deployment: Deployment
    before: Deployment | None
    plan: Plan
    handout: Handout


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@shared
def plan(chosen: Chosen, file: Path) -> None:
    """Show what deploying FILE would change, and what stands in the way."""
    with open_fleet(chosen.context) as opened:
        made = _draft(opened, file, is_dry=True).plan
    if chosen.is_json:
        terminal.show(render.to_json(render.plan_json(made)))
    else:
        terminal.show(render.plan(made))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--timeout", type=DURATION, default=TIMEOUT, help="How long to watch.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--allow-unplaced", is_flag=True, help="Be content with what has room.")
@shared
def deploy(
    chosen: Chosen, *, file: Path, timeout: float, yes: bool, allow_unplaced: bool
) -> None:
    """Sign FILE, hand it in, and watch until every replica works.

    Ends with 0 when all are healthy, 6 when one failed or found no place, 7 when the
    time is up (it goes on), 8 when someone else deployed meanwhile.
    """
    with open_fleet(chosen.context) as opened:
        draft = _draft(opened, file, is_dry=False, is_yes=yes)
        for each in draft.plan.secrets:
            terminal.tell(f"  {each}")
        _refuse_hopeless(draft, allow_unplaced=allow_unplaced)
        _confirm(draft, is_yes=yes)
        _hand_in(opened, draft)
        watched = follow.Watched(
            name=draft.deployment.name,
            version=draft.deployment.version,
            workloads=draft.deployment.workloads,
            allow_unplaced=allow_unplaced,
        )
        status = follow.until_works(opened.hub, watched, timeout)
    if chosen.is_json:
        rows = [render.picked(row, render.PS_FIELDS) for row in status.replicas]
        shown = {"name": watched.name, "version": watched.version, "replicas": rows}
        terminal.show(render.to_json(shown))


@click.command()
@click.argument("name")
@click.option("--timeout", type=DURATION, default=TIMEOUT, help="How long to watch.")
@shared
def delete(chosen: Chosen, name: str, timeout: float) -> None:
    """End deployment NAME, and watch until none of it is left."""
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        stream = f"deployment/{name}"
        opened.fetch(stream)
        opened.warn()
        before = opened.ledger.deployments.get(name)
        if before is None:
            problem = f"cannot delete {name!r}: there is no such deployment"
            raise not_found(f"{problem}; see `edgectl get deployments`")
        head = opened.ledger.head(stream)
        end = Tombstone(
            fleet=opened.context.fleet,
            name=name,
            version=opened.memory.next_version(stream),
            issued_at=opened.now(),
            parent=head.digest if head else "",
            scope=_scope(opened, name),
        )
        opened.submit(end)
        follow.until_gone(opened.hub, name, end.version, timeout)
    terminal.tell(f"{name} is gone")


def _draft(opened: Fleet, file: Path, *, is_dry: bool, is_yes: bool = False) -> Draft:
    """Read, resolve and place a manifest; the registry and the hub work meanwhile."""
    written = _read(file)
    names = manifest.images(written)
    asking = registry.Asking(
        [(name, manifest.reference(name)) for name in names],
        opened.context.insecure_registries,
    )
    rows = _learn(opened, written)
    workloads = _resolved(written, asking.answer())
    before = opened.ledger.deployments.get(written.name)
    deployment = _deployment(opened, written, workloads)
    if plans.is_same(before, deployment):
        assert before is not None  # noqa: S101 - `is_same` looked at it
        deployment = before
    made = _handout(opened, deployment, rows, is_dry=is_dry, is_yes=is_yes)
    return Draft(
        deployment=deployment,
        before=before,
        plan=_planned(opened, deployment, rows, made),
        handout=made,
    )


def _read(file: Path) -> Manifest:
    content = files.read(file, at_most=MANIFEST_MAX)
    if content is None:
        raise not_found(f"cannot deploy {file}: there is no such file")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        problem = f"cannot read {file}: it is not UTF-8 text ({error.reason})"
        raise ManifestError(problem) from error
    return manifest.parse(text, file=str(file))


def _resolved(written: Manifest, answer: Resolved) -> tuple[Workload, ...]:
    """Return the workloads with their images; raise where the manifest names them."""
    images: dict[str, Image] = {}
    for name, found in answer.items():
        if isinstance(found, ManifestError):
            raise manifest.image_error(written, name, found.problem) from found
        images[name] = found
    return manifest.resolve(written, images)


def _learn(opened: Fleet, written: Manifest) -> Rows:
    """Fetch what planning needs: trust, deployments, figures, and devices if sealed."""
    opened.sync_trust()
    if any(draft.template.secrets for draft in written.workloads):
        handout.learn(opened, secrets=f"{written.name}/")
    opened.fetch("deployment/")
    opened.warn()
    return Rows(nodes=opened.hub.nodes(), replicas=opened.hub.replicas())


def _deployment(
    opened: Fleet, written: Manifest, workloads: tuple[Workload, ...]
) -> Deployment:
    """Return the next version of the deployment, as it would be signed."""
    stream = f"deployment/{written.name}"
    head = opened.ledger.head(stream)
    return Deployment(
        fleet=opened.context.fleet,
        name=written.name,
        version=opened.memory.next_version(stream),
        issued_at=opened.now(),
        workloads=workloads,
        parent=head.digest if head else "",
        scope=_scope(opened, written.name),
    )


def _scope(opened: Fleet, name: str) -> str:
    """Return whose name it is: the owner's, or mine when nobody had it."""
    head = opened.ledger.head(f"deployment/{name}")
    return opened.me.scope.name or (head.scope if head else "")


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


def _planned(opened: Fleet, deployment: Deployment, rows: Rows, made: Handout) -> Plan:
    """Place the deployment as the hub will, once it has what is handed out."""
    others = [
        each
        for each in opened.ledger.deployments.values()
        if each.name != deployment.name
    ]
    before = opened.ledger.deployments.get(deployment.name)
    views = handout.after(survey.nodes(rows.nodes, opened.ledger), made)
    known = [*others, before] if before else others
    current = survey.current(rows.replicas, known)
    placed = placement.assign([deployment], views, current)
    where = survey.places(rows.replicas, deployment.name)
    found = plans.make(before, deployment, placed, where)
    secrets = [f"secret {name} was never set" for name in made.missing]
    return msgspec.structs.replace(found, secrets=(*secrets, *made.notes))


def _refuse_hopeless(draft: Draft, *, allow_unplaced: bool) -> None:
    """Refuse, before a number is used up, what would run nowhere at all."""
    if draft.plan.hopeless and not allow_unplaced:
        reasons = "; ".join(draft.plan.unplaced) or "no device is free for it"
        names = ", ".join(draft.plan.hopeless)
        problem = f"cannot deploy {draft.plan.name}: {names} would run nowhere"
        raise Ended(Exit.ROLLOUT_FAILED, f"{problem}: {reasons}; nothing was signed")


def _confirm(draft: Draft, *, is_yes: bool) -> None:
    """Say what stays undone or is weak, and ask a person who is there about it."""
    for each in draft.plan.unplaced:
        terminal.tell(f"  {each}")
    weaker = draft.plan.new_weakenings
    for each in weaker:
        terminal.tell(f"  weaker than usual: {each}")
    if weaker and not is_yes and sys.stdin.isatty():
        click.confirm("Deploy it all the same?", abort=True, err=True)


def _hand_in(opened: Fleet, draft: Draft) -> None:
    documents: list[Document] = list(draft.handout.documents)
    deployment = draft.deployment
    if draft.plan.is_new_version:
        documents.append(deployment)
    if documents:
        began = time.monotonic()
        opened.submit(*documents)
        took = time.monotonic() - began
    if draft.plan.is_new_version:
        said = f"{deployment.name} {deployment.version}: the hub took it"
        terminal.tell(f"{said} in {took * 1000:.0f} ms")
    else:
        said = f"{deployment.name} {deployment.version}: nothing to change"
        terminal.tell(said)
