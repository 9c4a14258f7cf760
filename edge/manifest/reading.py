"""TOML text to `Manifest`: the outermost table, and what tomli refuses.

Refused before anything else: text that is too long.
"""

import re

import tomli

from edge.errors import ManifestError
from edge.manifest import fields, parts, rollout, workloads
from edge.manifest.drafts import Manifest
from edge.manifest.fields import Place, Source, Table
from edge.names import DeploymentName

TEXT_MAX = 64 * 1024  # bytes; a quarter of the largest document it may become
WORKLOADS_MAX = 64  # `edge.documents.Deployment.workloads`
KEYS = {
    "name": "",
    "workload": "",
    "rollout": "",
    "version": "versions are counted when a deployment is signed; leave it out",
    "services": "a Compose file is not a manifest; write [workload.NAME] tables",
}

_DUPLICATE = re.compile(r"twice|overwrite|Duplicate")


def parse(text: str, *, file: str = "") -> Manifest:
    """Return the manifest in ``text``; ``file`` is its name, for errors only.

    Raises `ManifestError` for the first thing that is wrong, with path and line.
    """
    place = Place(source=Source(text=text, file=file))
    root = Table(content=_load(place), place=place)
    root.allow(KEYS)
    if "name" not in root:
        raise place.error('cannot deploy without a name: write name = "…" at the top')
    name = root.read("name", parts.name, "")
    tables = list(root.pairs("workload", WORKLOADS_MAX))
    if not tables:
        raise place.error("cannot deploy no workload at all: write [workload.NAME]")
    drafts = [
        workloads.draft(
            fields.converted(key, parts.name, at),
            Table(content=fields.content_of(value, at), place=at),
        )
        for key, value, at in sorted(tables, key=lambda table: table[0])
    ]
    return Manifest(
        name=DeploymentName(name),
        workloads=tuple(drafts),
        rollout=rollout.draft(root, [draft.template for draft in drafts]),
        file=file,
    )


def _load(place: Place) -> dict[str, object]:
    """Return the TOML document; raise `ManifestError` for what is not TOML."""
    try:
        size = len(place.source.text.encode())
        if size > TEXT_MAX:
            raise place.error(f"cannot read {size} bytes: at most {TEXT_MAX} are read")
        return dict(tomli.loads(place.source.text))
    except tomli.TOMLDecodeError as error:
        raise _syntax_error(error, place.source.file) from error
    except (ValueError, RecursionError) as error:
        raise place.error(f"cannot read this as TOML: {error}") from error


def _syntax_error(error: tomli.TOMLDecodeError, file: str) -> ManifestError:
    """Return tomli's error with its line, duplicates by their own name."""
    problem = f"cannot read this as TOML: {error.msg}, column {error.colno}"
    if _DUPLICATE.search(error.msg):
        problem = f"cannot use one name twice: {error.msg}, column {error.colno}"
    return ManifestError(problem, file=file, line=error.lineno)
