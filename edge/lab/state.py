"""What a lab writes down about itself, and how it is found again without.

The record holds the name, the subnet and the nodes: everything else is derived from
them (`edge.lab.layout`). `load` refuses a damaged record; `recover`, which is for
`down`, then derives the machines from the names of namespaces and folders instead.
"""

from pathlib import Path

import msgspec

from edge import files
from edge.errors import LabError, StoreError
from edge.lab import layout
from edge.lab.layout import LabLayout, Place

RECORD_MAX = 64 * 1024  # 220 nodes with the longest site names fit three times
NAMESPACES = Path("/run/netns")
# Who owns a name on this host: /run/tutti/<lab>.home holds the state folder's path.
CLAIM_MAX = 4096


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The record on disk; ``version`` rises when its meaning changes."""

    version: int
    name: str
    subnet: str
    nodes: tuple[tuple[str, str], ...]


RECORD_VERSION = 1


def save(lab: LabLayout) -> None:
    """Write the record of ``lab`` durably."""
    record = Record(
        version=RECORD_VERSION,
        name=lab.name,
        subnet=str(lab.subnet),
        nodes=tuple((place.name, place.site) for place in lab.places),
    )
    files.write(lab.record, msgspec.json.encode(record))


def load(name: str, home: Path) -> LabLayout | None:
    """Return the lab called ``name``, None where there is none.

    Raises:
        LabError: the record is damaged.
    """
    layout.check_name(name)
    path = home / name / "lab.json"
    try:
        content = files.read(path, at_most=RECORD_MAX)
        return None if content is None else _decode(content, name, home)
    except (StoreError, msgspec.MsgspecError) as error:
        advice = f"remove the lab with `edgectl lab down --name {name}`"
        raise LabError(f"cannot read {path}: {error}; {advice}") from error


def recover(name: str, home: Path) -> LabLayout:
    """Return a layout that names every machine of the lab there may be traces of.

    The record and the traces are added up; the subnet may be wrong, the names are not.
    """
    try:
        recorded = load(name, home)
    except LabError:
        recorded = None
    known = {place.name: place for place in recorded.places} if recorded else {}
    for found in sorted(_traces(name, home)):
        known.setdefault(found, Place(name=found, site=layout.DEFAULT_SITE))
    if not known:
        known["n1"] = Place(name="n1", site=layout.DEFAULT_SITE)
    subnet = str(recorded.subnet) if recorded else layout.DEFAULT_SUBNET
    return layout.plan(name, subnet, tuple(known.values()), home)


def claim(lab: LabLayout) -> None:
    """Take the lab's name on this host for its state folder.

    Namespaces and sockets are the host's, state folders are chosen: two labs of one
    name with different folders would destroy each other.

    Raises:
        LabError: the name belongs to another folder that still exists.
    """
    check_claim(lab)
    files.write(_claim_path(lab), bytes(lab.folder))


def check_claim(lab: LabLayout) -> None:
    """Raise `LabError` when the name belongs to another, existing state folder."""
    owner = files.read(_claim_path(lab), at_most=CLAIM_MAX)
    if owner is None or owner == bytes(lab.folder):
        return
    folder = Path(owner.decode(errors="replace"))
    if folder.exists():
        problem = f"cannot use the lab name {lab.name}: it belongs to {folder}"
        raise LabError(f"{problem}; use --name, or EDGE_LAB_HOME={folder.parent}")


def release(lab: LabLayout) -> None:
    """Give the lab's name back."""
    files.remove(_claim_path(lab))


def _claim_path(lab: LabLayout) -> Path:
    return layout.RUN / f"{lab.name}.home"


def _decode(content: bytes, name: str, home: Path) -> LabLayout:
    record = msgspec.json.decode(content, type=Record)
    if record.version != RECORD_VERSION or record.name != name:
        raise StoreError(f"it is version {record.version} of lab {record.name}")
    places = tuple(Place(name=node, site=site) for node, site in record.nodes)
    if not all(layout.NODE_NAME.fullmatch(place.name) for place in places):
        raise StoreError("a node's name is not n1, n2, …")
    return layout.plan(name, record.subnet, places, home)


def _traces(name: str, home: Path) -> set[str]:
    """Return the names of nodes that have a namespace or a folder."""
    folders = (home / name / "machines", layout.RUN / name)
    found = {entry.name for folder in folders for entry in _entries(folder)}
    found |= {
        entry.name.removeprefix(f"{name}-")
        for entry in _entries(NAMESPACES)
        if entry.name.startswith(f"{name}-")
    }
    return {machine for machine in found if layout.NODE_NAME.fullmatch(machine)}


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
