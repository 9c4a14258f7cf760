"""What ``edge-node status`` and ``edge-node events`` show, with no hub needed.

The daemon leaves its status in the run folder (tmpfs, so nothing wears out); the
commands read it and the event log, and never touch what the daemon holds.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from edge import files
from edge.errors import ConfigError
from edge.model import ReplicaStatus
from node import journal
from node.agent import Agent

FILE = "status.json"
FILE_MAX = 4 * 1024 * 1024
JOURNAL = "events.jsonl"


def of(agent: Agent, hub: str, replicas: Iterable[ReplicaStatus]) -> dict[str, Any]:
    """Return what the daemon knows of itself; ``hub`` says how the link is."""
    standing, ledger = agent.standing(), agent.ledger
    trust = ledger.trust
    return {
        "name": standing.name,
        "device": agent.device.identity.device,
        "fleet": ledger.fleet,
        "site": standing.site,
        "labels": dict(standing.labels),
        "scheduling": standing.scheduling,
        "ready": standing.is_ready,
        "hub": hub,
        "trust": trust.version if trust else 0,
        "generation": trust.generation if trust else 0,
        "replicas": [msgspec.to_builtins(each) for each in replicas],
        "refusals": dict(agent.intake.refusals),
    }


def write(run: Path, status: dict[str, Any]) -> None:
    """Leave the daemon's status where the command finds it."""
    path = run / FILE
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(status))
    fresh.chmod(files.PRIVATE)
    fresh.replace(path)  # no fsync: it means nothing after a reboot


def read(run: Path) -> dict[str, Any]:
    """Return the daemon's status; raise `ConfigError` when it never ran here."""
    content = files.read(run / FILE, at_most=FILE_MAX)
    if content is None:
        problem = f"cannot tell the status: no edge-node left one in {run}"
        raise ConfigError(f"{problem}; start it, or name its folder with --run")
    return dict(msgspec.json.decode(content, type=dict[str, Any]))


def events(state: Path) -> list[dict[str, Any]]:
    """Return the device's event log, oldest first."""
    found = journal.load(state / JOURNAL).events
    return [msgspec.to_builtins(event) for event in found]


def tell(status: dict[str, Any]) -> str:
    """Return the status as lines for people."""
    lines = [
        f"node    {status['name']} ({status['device']}), fleet {status['fleet']}",
        f"hub     {status['hub']}",
        f"site    {status['site']}  labels {_labels(status['labels'])}",
        f"docs    trust {status['trust']}, generation {status['generation']}",
    ]
    for replica in status["replicas"]:
        health = "healthy" if replica.get("healthy") else "not healthy"
        reason = f"  {replica['reason']}" if replica.get("reason") else ""
        lines.append(
            f"runs    {replica['slot']} revision {replica['version']}: "
            f"{replica['state']}, {health}{reason}"
        )
    refusals = sorted(status["refusals"].items())
    lines += [f"refused {count} × {name}" for name, count in refusals]
    return "\n".join(lines)


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "-"
