"""``./dev demo``: a whole fleet on this machine, narrated, then removed.

Every step is the command a person would type, run as it stands; what is printed is what
it printed. Lab, keys and context live in places of the demo's own, so nothing of yours
is touched, and everything is gone at the end, also after Ctrl-C.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

OCTET = 91
"""The second number of the demo's addresses; 90 is the default lab's."""
ANSWER_WITHIN = 60.0  # seconds; a lab on one slow core boots a device in about ten
LOOK_EVERY = 0.5  # seconds between looks at what hub or devices know
WEB_PORT, SHOP_PORT = 8080, 8081
SECRET = "correct horse battery staple"  # noqa: S105 - shown on purpose

WEB = """name = "web"

[workload.web]
image = "REGISTRY/web:1"
ports = ["8080:80"]
replicas = 3
failover = "available"
resources = { memory = "32MiB", cpus = 0.25 }
health = { http = "http://:80/healthz", every = "1s", fail_after = 3 }
"""
SHOP = """name = "shop"

[workload.till]
image = "REGISTRY/web:1"
ports = ["8081:80"]
replicas = 1
failover = "available"
"""
SENSOR = """name = "sensor"

[workload.reader]
image = "REGISTRY/web:1"
every = "role=sensor"
failover = "none"
secrets = { token = "/run/secrets/token" }
"""


EDGECTL = (sys.executable, "-m", "edge.ctl.main")


class DemoFailed(Exception):  # noqa: N818 - reads as what happened
    """A step did not do what it says."""


class Stage:
    """Where the demo plays: a folder of its own and the commands' environment."""

    def __init__(self, folder: Path, octet: int) -> None:
        """Prepare the environment; nothing runs yet."""
        self.folder = folder
        self.name = f"demo{octet}"
        self.subnet = f"10.{octet}.0.0/24"
        self.registry = f"10.{octet}.0.1:5000"
        self.addresses = {f"n{each}": f"10.{octet}.0.{10 + each}" for each in (1, 2, 3)}
        home = {
            "EDGE_HOME": str(folder / "home"),
            "EDGE_LAB_HOME": str(folder / "labs"),
        }
        self.environment = {**os.environ, **home}

    def edgectl(self, *words: str, given: str | None = None) -> str:
        """Show and run one edgectl command; return what it printed."""
        return self.run("edgectl", *words, given=given)

    def ask(self, *words: str) -> str:
        """Run one edgectl command without showing it; return "" when it fails."""
        done = subprocess.run(
            [*EDGECTL, *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if done.returncode else done.stdout

    def lab(self, verb: str, *words: str) -> str:
        """Show and run one command about this lab."""
        return self.edgectl("lab", verb, "--name", self.name, *words)

    def manifest(self, name: str, text: str) -> None:
        """Write a manifest that names this lab's registry."""
        path = self.folder / name
        path.write_text(text.replace("REGISTRY", self.registry))

    def run(self, *words: str, given: str | None = None) -> str:
        """Show and run a command; raise `DemoFailed` unless it succeeds."""
        shown = " ".join(words) + (" <<< …" if given is not None else "")
        print(f"\n\033[1m$ {shown}\033[0m", flush=True)
        command = [*EDGECTL, *words[1:]] if words[0] == "edgectl" else list(words)
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            input=given,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        print(done.stdout, end="", flush=True)
        if done.returncode:
            raise DemoFailed(f"{shown!r} ended with exit code {done.returncode}")
        return done.stdout


def main() -> None:
    """Play the demo; exit 0 when every step did what it says."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--octet", type=int, default=OCTET, help="of 10.OCTET.0.0/24")
    octet = parser.parse_args().octet
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stage = Stage(Path(tempfile.mkdtemp(prefix="tutti-demo-")), octet)
    try:
        _play(stage)
    except DemoFailed as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        _clean_up(stage)
    _say("Everything is removed. `edgectl lab up` gives you a lab to keep.")


def _play(stage: Stage) -> None:
    stage.manifest("web.toml", WEB)
    stage.manifest("sensor.toml", SENSOR)
    stage.manifest("shop.toml", SHOP)
    _say("1. A lab: registry, broker, hub, and three devices that enrol by themselves.")
    stage.lab("up", "--subnet", stage.subnet, "--nodes", "3")
    stage.edgectl("get", "nodes")
    _deploy(stage)
    _secret(stage)
    _crash(stage)
    holder = _deploy_shop(stage)
    taker = _take_over(stage, holder)
    _offline_reboot(stage, holder)
    _hub_learns(stage, taker)
    stage.edgectl("delete", "sensor")
    stage.edgectl("ps")


def _deploy(stage: Stage) -> None:
    _say(
        "2. A deploy: planned, signed here, placed by the hub, checked by each device."
    )
    stage.edgectl("plan", "web.toml")
    stage.edgectl("deploy", "web.toml", "--yes")
    stage.edgectl("ps")
    for node, address in stage.addresses.items():
        print(f"{node} answers: {_answer(address)}")


def _secret(stage: Stage) -> None:
    _say("3. A secret: sealed on this machine, for the devices that may run it alone.")
    stage.edgectl("node", "label", "n1", "role=sensor")
    words = ("secret", "set", "sensor/token", "--from-file", "-", "--yes")
    stage.edgectl(*words, given=SECRET)
    stage.edgectl("deploy", "sensor.toml", "--yes")
    read = f"podman exec {_container('sensor')} cat /run/secrets/token"
    inside = stage.lab("exec", "n1", "--", "sh", "-c", f"{read}; echo")
    if inside.strip() != SECRET:
        raise DemoFailed("the container does not see its secret")
    found = _search(stage.folder, SECRET.encode())
    print(f"in plain text on any disk of the fleet: {found or 'nowhere'}")
    if found:
        raise DemoFailed("the secret is on a disk")


def _crash(stage: Stage) -> None:
    _say("4. A crash: the web server on n2 is killed, and repaired where it was.")
    find = f"podman inspect -f '{{{{.State.Pid}}}}' {_container('web')}"
    kill = f"kill -9 $({find})"
    stage.lab("exec", "n2", "--", "sh", "-c", kill)
    began = time.monotonic()
    answer = _answer(stage.addresses["n2"])
    print(f"n2 answers again after {time.monotonic() - began:.2f} s: {answer}")


def _deploy_shop(stage: Stage) -> str:
    """Deploy what may move, and wait until the neighbours know; return who runs it."""
    _say("5. A shop's till: one replica, which a neighbour may take over.")
    stage.edgectl("plan", "shop.toml")
    stage.edgectl("deploy", "shop.toml", "--yes")
    (row,) = json.loads(stage.ask("ps", "shop", "-o", "json"))
    for node in stage.addresses:
        _wait(partial(_knows_shop, stage, node), f"{node} knows who runs it")
    return str(row["node"])


def _take_over(stage: Stage, holder: str) -> str:
    """Kill the device that runs the till, hub and broker away; return who took over."""
    _say(f"6. Nobody to ask: hub and broker are cut off, and {holder} loses its power.")
    stage.lab("cut", "hub")
    stage.lab("cut", "broker")
    stage.lab("kill", holder)
    began = time.monotonic()
    rest = [each for each in stage.addresses if each != holder]
    taker = _first_to_answer(stage, rest)
    took = time.monotonic() - began
    print(f"{taker} took over: the till answers there {took:.2f} s after the loss")
    stage.lab("exec", taker, "--", "edge-node", "events", "-n", "4")
    return taker


def _offline_reboot(stage: Stage, node: str) -> None:
    _say(f"7. {node} has power again, and still nobody to ask but its neighbours.")
    stage.lab("boot", node)
    began = time.monotonic()
    answer = _answer(stage.addresses[node])
    took = time.monotonic() - began
    print(f"{node} runs its web server again, {took:.1f} s later: {answer}")
    stage.lab("exec", node, "--", "edge-node", "status")


def _hub_learns(stage: Stage, taker: str) -> None:
    _say("8. Hub and broker are back: they learn what happened, and move nothing.")
    stage.lab("heal", "hub")
    stage.lab("heal", "broker")
    _wait(lambda: _runs_shop(stage) == taker, f"the hub knows that {taker} runs it")
    stage.edgectl("ps", "shop")
    if not _fetch(stage.addresses[taker], SHOP_PORT):
        raise DemoFailed(f"the till answers no more on {taker}")


def _knows_shop(stage: Stage, node: str) -> bool:
    """Return whether a device could take the till over: it knows whose it is."""
    words = ("lab", "exec", "--name", stage.name, node, "--", "edge-node", "status")
    said = json.loads(stage.ask(*words, "-o", "json") or "{}").get("site_view", {})
    alive = [each for each in said.get("peers", ()) if each["state"] == "alive"]
    slots = [each["slot"] for each in said.get("slots", ()) if each["holder"]]
    return len(alive) == len(stage.addresses) - 1 and "shop/till.1" in slots


def _runs_shop(stage: Stage) -> str:
    """Return where the till works by the hub's word, "" for nowhere and for twice."""
    rows = json.loads(stage.ask("ps", "shop", "-o", "json") or "[]")
    nodes = [str(row["node"]) for row in rows if row["healthy"]]
    return nodes[0] if len(rows) == 1 and nodes else ""


def _first_to_answer(stage: Stage, nodes: list[str]) -> str:
    end = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < end:
        for node in nodes:
            if _fetch(stage.addresses[node], SHOP_PORT):
                return node
        time.sleep(0.02)
    raise DemoFailed(f"no neighbour took over within {ANSWER_WITHIN:.0f} s")


def _wait(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + ANSWER_WITHIN
    while not is_so():
        if time.monotonic() > end:
            raise DemoFailed(f"not so within {ANSWER_WITHIN:.0f} s: {what}")
        time.sleep(LOOK_EVERY)


def _container(deployment: str) -> str:
    return f"$(podman ps -q --filter label=tutti.deployment={deployment})"


def _say(sentence: str) -> None:
    print(f"\n\033[1;36m{sentence}\033[0m", flush=True)


def _fetch(address: str, port: int = WEB_PORT) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/", timeout=1) as answer:
            return str(answer.read(200).decode(errors="replace").strip())
    except (OSError, urllib.error.URLError):
        return ""


def _answer(address: str) -> str:
    """Return what a device answers, once it does."""
    end = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < end:
        answer = _fetch(address)
        if answer:
            return answer
        time.sleep(0.02)
    raise DemoFailed(f"no answer within {ANSWER_WITHIN:.0f} s")


def _search(folder: Path, needle: bytes) -> list[str]:
    """Return files that hold the secret; the operator's keys are elsewhere, sealed."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and needle in path.read_bytes()
    ]


def _clean_up(stage: Stage) -> None:
    _say("Cleaning up.")
    try:
        stage.lab("down")
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
    shutil.rmtree(stage.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
