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
        "trials": _trials(agent),
        "bad": _bad(agent),
        "refusals": dict(agent.intake.refusals),
    }


def _bad(agent: Agent) -> list[dict[str, Any]]:
    """Return what failed its trial, with its last lines as they were."""
    trials = agent.staged.trials
    return [
        {**msgspec.to_builtins(each), "log": trials.last_lines(each)}
        for each in trials.failures()
    ]


def _trials(agent: Agent) -> list[dict[str, Any]]:
    trials = agent.staged.trials
    return [
        {
            "slot": slot,
            "version": watch.version,
            "healthy_for": trials.terms[slot].healthy_for,
        }
        for slot, watch in sorted(trials.book.watched.items())
    ]


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


def running(run: Path) -> int:
    """Return the process of the daemon; raise `ConfigError` when none runs."""
    pid = int(read(run).get("pid", 0))
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        words = b""
    if b"edge-node" not in words and b"node.cli" not in words:
        raise ConfigError(f"cannot ask edge-node: none of {run} is running")
    return pid


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
    lines += _rollouts(status)
    lines += _site(status.get("site_view", {}))
    refusals = sorted(status["refusals"].items())
    lines += [f"refused {count} × {name}" for name, count in refusals]
    return "\n".join(lines)


def _rollouts(status: dict[str, Any]) -> list[str]:
    """Return what is on trial here, and what failed its trial."""
    lines = [
        f"trial   {each['slot']} revision {each['version']}: "
        f"proves itself when healthy for {each['healthy_for']:g} s"
        for each in status.get("trials", ())
    ]
    for each in status.get("bad", ()):
        about = f"{each['slot']} revision {each['version']}"
        lines.append(f"bad     {about}: {each.get('reason', '')}")
        log = each.get("log", "").splitlines()
        lines += [f"        | {line}" for line in log]
    return lines


def _site(site: dict[str, Any]) -> list[str]:
    """Return how the neighbours are, and who holds what may move."""
    lines = ["leaving hands over what may move"] if site.get("leaving") else []
    for peer in site.get("peers", ()):
        path = f" ({peer['path']})" if peer["path"] not in {"", "direct"} else ""
        hub = "" if peer["has_hub"] else ", cut from hub"
        state = peer["state"] + (hub if peer["state"] == "alive" else "")
        heard = "" if peer["heard"] is None else f", heard {peer['heard']:g} s ago"
        reason = f": {peer['reason']}" if peer["reason"] else ""
        lines.append(f"peer    {peer['name']} {state}{path}{heard}{reason}")
    for slot in site.get("slots", ()):
        lease = slot["lease_left"]
        left = "" if lease is None else f", lease for {lease:g} s"
        why = slot["homeless"] or slot["waits"]
        reason = f": {why}" if why else ""
        holder = slot["holder"] or "nobody"
        lines.append(
            f"moves   {slot['slot']} {holder}, term {slot['term']}{left}{reason}"
        )
    switches = site.get("switches", {}).items()
    return lines + [f"switch  {name}: {why}" for name, why in sorted(switches)]


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "-"
