"""`edgectl deploy` and `delete`: from a manifest to replicas that run."""

from pathlib import Path

import click

from edge import manifest
from edge.ctl import (
    delivery,
    drafting,
    follow,
    registry,
    render,
    staging,
    terminal,
    texts,
)
from edge.ctl.drafting import Content, Draft
from edge.ctl.exits import not_found
from edge.ctl.fleet import Fleet, open_fleet
from edge.ctl.options import DURATION, Chosen, shared
from edge.ctl.registry import Resolved
from edge.documents import Tombstone
from edge.errors import ManifestError
from edge.manifest import Manifest
from edge.model import Image, Workload


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--timeout", type=DURATION, help="How long to watch; 120s, or a rollout.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--allow-unplaced", is_flag=True, help="Be content with what has room.")
@shared
def deploy(
    chosen: Chosen,
    *,
    file: Path,
    timeout: float | None,
    yes: bool,
    allow_unplaced: bool,
) -> None:
    """Sign FILE, hand it in, and watch until every replica works.

    Ends with 0 when all are healthy, or the new set of a blue-green rollout waits for
    its promote; 6 when one failed or found no place, or the rollout was taken back or
    stands still, 7 when the time is up (it goes on), 8 when someone else deployed
    meanwhile.
    """
    with open_fleet(chosen.context) as opened:
        draft = drafted(opened, file, is_dry=False, is_yes=yes)
        for each in draft.plan.secrets:
            terminal.tell(f"  {each}")
        delivery.refuse_hopeless(draft, allow_unplaced=allow_unplaced)
        delivery.confirm(draft, is_yes=yes)
        delivery.hand_in(opened, draft)
        made = draft.deployment
        status = delivery.until_there(
            opened, made, timeout, allow_unplaced=allow_unplaced
        )
    if chosen.is_json:
        rows = [render.picked(row, render.PS_FIELDS) for row in status.replicas]
        shown = {"name": made.name, "version": made.version, "replicas": rows}
        terminal.show(render.to_json(shown))


@click.command()
@click.argument("name")
@click.option(
    "--timeout", type=DURATION, default=delivery.TIMEOUT, help="How long to watch."
)
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
            scope=opened.scope_of(name),
        )
        opened.submit(end)
        follow.until_gone(opened.hub, name, end.version, timeout)
    terminal.tell(f"{name} is gone")


def drafted(opened: Fleet, file: Path, *, is_dry: bool, is_yes: bool = False) -> Draft:
    """Read, resolve and place a manifest; the registry and the hub work meanwhile."""
    written = texts.manifest_in(file)
    names = manifest.images(written)
    asking = registry.Asking(
        [(name, manifest.reference(name)) for name in names],
        opened.context.insecure_registries,
    )
    templates = [each.template for each in written.workloads]
    rows = drafting.learn(opened, written.name, templates)
    content = Content(
        name=written.name,
        workloads=_resolved(written, asking.answer()),
        stage=lambda made, fleet, back: staging.staged(made, written, fleet, back),
        refused=lambda found: manifest.port_error(written, *found),
    )
    return drafting.draft(opened, content, rows, is_dry=is_dry, is_yes=is_yes)


def _resolved(written: Manifest, answer: Resolved) -> tuple[Workload, ...]:
    """Return the workloads with their images; raise where the manifest names them."""
    images: dict[str, Image] = {}
    for name, found in answer.items():
        if isinstance(found, ManifestError):
            raise manifest.image_error(written, name, found.problem) from found
        images[name] = found
    return manifest.resolve(written, images)
