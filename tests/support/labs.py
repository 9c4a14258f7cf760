"""A real lab for a test module: its own name, subnet, home and state; always removed.

Several test runs may live side by side: a subnet belongs to whoever holds its lock.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FIRST_OCTET, LAST_OCTET = 100, 199
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab that is up, driven by the commands a person would type."""

    name: str
    prefix: str
    folder: Path

    @property
    def registry(self) -> str:
        return f"{self.prefix}.1:5000"

    @property
    def environment(self) -> dict[str, str]:
        home = {
            "EDGE_HOME": str(self.folder / "home"),
            "EDGE_LAB_HOME": str(self.folder / "labs"),
        }
        return {**python_environment(), **home}

    @property
    def state(self) -> Path:
        """The folder with every disk of the lab."""
        return self.folder / "labs" / self.name

    def machine(self, name: str) -> Path:
        """A machine's disk."""
        return self.state / "machines" / name

    def address(self, node: str) -> str:
        return f"{self.prefix}.{10 + int(node[1:])}"

    def edgectl(
        self, *words: str, given: str | None = None, code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run edgectl; the exit code must be ``code``, None for any."""
        done = subprocess.run(
            [sys.executable, "-m", "edge.ctl.main", *words],
            env=self.environment,
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        shown = f"edgectl {' '.join(words)}: {done.returncode}\n{done.stderr}"
        assert code in {None, done.returncode}, shown + done.stdout + self.logs()
        return done

    def lab(self, *words: str) -> str:
        """Run ``edgectl lab VERB … --name this``."""
        verb, *rest = words
        return self.edgectl("lab", verb, "--name", self.name, *rest).stdout

    def run(self, machine: str, command: str) -> str:
        """Run a shell command on a machine."""
        return self.lab("exec", machine, "--", "sh", "-c", command).strip()

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """Return what a command prints with ``-o json``."""
        return json.loads(self.edgectl(*words, "-o", "json").stdout)

    def rows_or_none(self, *words: str) -> list[dict[str, Any]]:
        """Return what a command prints, nothing while the hub does not answer."""
        done = self.edgectl(*words, "-o", "json", code=None)
        return json.loads(done.stdout) if done.returncode == 0 else []

    def manifest(self, name: str, text: str) -> str:
        """Write a manifest, with the lab's registry put in; return its path."""
        path = self.folder / f"{name}.toml"
        path.write_text(text.replace("REGISTRY", self.registry))
        return str(path)

    def fetch(self, node: str, path: str = "/", port: int = 8080) -> str:
        """Return what a device answers, "" when it does not."""
        url = f"http://{self.address(node)}:{port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return answer.read(1000).decode(errors="replace").strip()
        except (OSError, urllib.error.URLError):
            return ""

    def containers(self, node: str, deployment: str) -> list[str]:
        """Return full ids of a deployment's containers that run on a node."""
        filters = f"--filter label=tutti.deployment={deployment}"
        return self.run(node, f"podman ps -q --no-trunc {filters}").split()

    def logs(self) -> str:
        """Return the end of every log of the lab, for a failing test."""
        found = sorted((self.state / "logs").glob("*.log"))
        ends = (f"--- {path.name}\n{path.read_text()[-1500:]}" for path in found)
        return "\n".join(ends)


def wait(ask: Callable[[], Any], what: str, *, within: float = PATIENCE) -> Any:
    """Return the first true answer; fail, naming what was awaited, after a while."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {within:g} s in vain: {what}")


@contextmanager
def lab(folder: Path, *words: str) -> Iterator[Lab]:
    """Bring up a lab in ``folder`` and remove it, whatever happens in between."""
    with subnet() as octet:
        made = Lab(name=f"t{octet}", prefix=f"10.{octet}.0", folder=folder)
        _remove_leftover(made)
        network = f"10.{octet}.0.0/24"
        try:
            made.edgectl("lab", "up", "--name", made.name, "--subnet", network, *words)
            yield made
        finally:
            made.edgectl("lab", "down", "--name", made.name)


def python_environment() -> dict[str, str]:
    """The environment in which another Python finds this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _remove_leftover(made: Lab) -> None:
    """Remove the lab that a killed run left under this name, wherever it was."""
    claim = Path("/run/tutti") / f"{made.name}.home"
    if claim.exists():
        home = Path(claim.read_text()).parent
        subprocess.run(
            [sys.executable, "-m", "edge.ctl.main", "lab", "down", "--name", made.name],
            env={**made.environment, "EDGE_LAB_HOME": str(home)},
            check=True,
        )


@contextmanager
def subnet() -> Iterator[int]:
    """Hold the second octet of a 10.0.0.0/8 network that no other lab of tests has."""
    locks = Path("/run/tutti")
    locks.mkdir(parents=True, exist_ok=True)
    for octet in range(FIRST_OCTET, LAST_OCTET + 1):
        descriptor = os.open(locks / f"test-{octet}.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield octet
        finally:
            os.close(descriptor)
        return
    raise AssertionError("every test subnet is taken")
