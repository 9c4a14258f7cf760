"""How a rollout in a lab stands, as the hub and the devices say it."""

import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.support import sites
from tests.support.labs import Lab


def stage(lab: Lab, name: str) -> dict[str, Any]:
    """How the hub says it stands, nothing while it is away."""
    done = lab.edgectl("rollout", "status", name, "-o", "json", code=None)
    found = lab.rows("rollout", "status", name) if done.returncode == 0 else {}
    return dict(found)


def is_in(lab: Lab, name: str, version: int, phase: str) -> bool:
    """Whether the rollout of a version is in a phase."""
    found = stage(lab, name)
    return (found.get("version"), found.get("phase")) == (version, phase)


def healthy(lab: Lab, name: str, node: str) -> int:
    """The version of a deployment that is healthy on a device, 0 for none."""
    for each in sites.status(lab, node).get("replicas", ()):
        if each["slot"].startswith(f"{name}/") and each.get("healthy"):
            return int(each["version"])
    return 0


def versions(lab: Lab, name: str, nodes: Iterable[str]) -> list[int]:
    """What is healthy on each device."""
    return [healthy(lab, name, node) for node in nodes]


def tried(lab: Lab, nodes: Iterable[str], version: int) -> list[str]:
    """Which devices ever put a version on trial."""
    return [
        node
        for node in nodes
        if any(
            each["kind"] == "trial" and f"revision {version}" in each["text"]
            for each in sites.written(lab, node)
        )
    ]


@contextmanager
def deploying(
    lab: Lab, path: str
) -> Iterator["Future[subprocess.CompletedProcess[str]]"]:
    """Run ``edgectl deploy`` while something else happens; whatever its end is."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(lab.edgectl, "deploy", path, "--yes", code=None)


def has_gone_back(lab: Lab, node: str, version: int) -> bool:
    """Whether a device gave a version up."""
    return any(
        each["kind"] == "went back" and f"revision {version} gave way" in each["text"]
        for each in sites.written(lab, node)
    )


def last_to_try(lab: Lab, nodes: Iterable[str], version: int) -> str:
    """Which device put a version on trial last."""
    began = {
        node: each["at"]
        for node in nodes
        for each in sites.written(lab, node)
        if each["kind"] == "trial" and f"revision {version}" in each["text"]
    }
    return max(began, key=lambda node: float(began[node]))
