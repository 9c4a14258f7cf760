"""What devices of a lab's site say of each other, with no hub asked."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from node.status import JOURNAL
from tests.support.labs import Lab


def status(lab: Lab, node: str) -> dict[str, Any]:
    """What a device says of itself, in the file that ``edge-node status`` reads.

    Nothing before its daemon left one. Starting the command a hundred times would keep
    the devices' processors busy.
    """
    path = Path("/run/tutti") / lab.name / node / "node" / "status.json"
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}


def peers(lab: Lab, node: str) -> dict[str, str]:
    """How a device sees its neighbours."""
    shown = status(lab, node).get("site_view", {}).get("peers", ())
    return {each["name"]: each["state"] for each in shown}


def slots(lab: Lab, node: str) -> dict[str, dict[str, Any]]:
    """What may move, as a device knows it."""
    shown = status(lab, node).get("site_view", {}).get("slots", ())
    return {each["slot"]: each for each in shown}


def see_each_other(lab: Lab, nodes: Iterable[str]) -> bool:
    """Whether each of them sees all the others alive."""
    names = set(nodes)
    return all(
        names - {node}
        <= {name for name, state in peers(lab, node).items() if state == "alive"}
        for node in names
    )


def answering(lab: Lab, nodes: Iterable[str], port: int) -> list[str]:
    """The devices that answer on a port."""
    return [node for node in nodes if lab.fetch(node, port=port)]


def events(lab: Lab, node: str) -> list[dict[str, Any]]:
    """A device's own log."""
    return list(json.loads(lab.run(node, "edge-node events -n 500 -o json")))


def written(lab: Lab, node: str) -> list[dict[str, Any]]:
    """A device's own log, read from its disk: at once, and without its processor."""
    journal = lab.machine(node) / "state" / JOURNAL
    lines = journal.read_text(errors="replace").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("}\n")]
