"""``./dev demo``: a whole fleet on this machine, narrated, then removed.

Every step is the command a person would type, run as it stands; what is printed is what
it printed. Lab, keys and context live in places of the demo's own, so nothing of yours
is touched, and everything is gone at the end, also after Ctrl-C.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

OCTET = 91
"""The second number of the demo's addresses; 90 is the default lab's."""
ANSWER_WITHIN = 60.0  # seconds; a lab on one slow core boots a device in about ten
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
SENSOR = """name = "sensor"

[workload.reader]
image = "REGISTRY/web:1"
every = "role=sensor"
failover = "none"
secrets = { token = "/run/secrets/token" }
"""


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
        program = [sys.executable, "-m", "edge.ctl.main"]
        command = [*program, *words[1:]] if words[0] == "edgectl" else list(words)
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
    _say("1. A lab: registry, broker, hub, and three devices that enrol by themselves.")
    stage.lab("up", "--subnet", stage.subnet, "--nodes", "3")
    stage.edgectl("get", "nodes")
    _deploy(stage)
    _secret(stage)
    _crash(stage)
    _offline_reboot(stage)
    _say("6. Hub and broker are back: nothing had to be repaired.")
    stage.lab("heal", "hub")
    stage.lab("heal", "broker")
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


def _offline_reboot(stage: Stage) -> None:
    _say("5. A power cut with nobody to ask: n2 dies, hub and broker are cut off.")
    stage.lab("kill", "n2")
    stage.lab("cut", "hub")
    stage.lab("cut", "broker")
    stage.lab("boot", "n2")
    began = time.monotonic()
    answer = _answer(stage.addresses["n2"])
    print(f"n2 runs what it ran, {time.monotonic() - began:.1f} s later: {answer}")


def _container(deployment: str) -> str:
    return f"$(podman ps -q --filter label=tutti.deployment={deployment})"


def _say(sentence: str) -> None:
    print(f"\n\033[1;36m{sentence}\033[0m", flush=True)


def _fetch(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}:8080/", timeout=1) as answer:
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
