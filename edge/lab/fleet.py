"""A fleet on the lab's machines: a hub, its broker, devices that enrol alone.

The programs are the ones a real fleet runs, started the way its units start them; the
keys are made by `edgectl` in the caller's own home. What makes it a lab is the broker's
machine: the hub supervises Mosquitto through a small script that runs it there, so that
hub and broker can be cut, killed and booted apart.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edge import files
from edge.ctl import home
from edge.errors import ConfigError, LabError
from edge.lab import podman, programs
from edge.lab.faults import Faults
from edge.lab.layout import BROKER, HUB, LabLayout, Machine
from edge.lab.substrate import Substrate

HUB_PORT, BROKER_PORT = 8443, 8883
READY_WITHIN = 90.0
"""Seconds for all devices to enrol; three take about four on two cores."""
HUB_WITHIN = 30.0
"""Seconds for the hub to listen; one on a busy machine."""
LOOK_EVERY = 0.2
EXECUTABLE = 0o755
ROOT = Path(__file__).parents[2]
HUB_PROGRAM, NODE_PROGRAM = "edge-hub", "edge-node"
VOUCHER_FOR = "24h"
SPARE_USES = 10
"""Devices more than there are, so that one can be wiped and enrol again."""

BROKER_SCRIPT = """#!/bin/sh
# Runs the broker on its own machine, and waits there while it has no power.
while [ ! -e {namespace} ]; do sleep 0.1; done
exec nsenter --net={namespace} mosquitto "$@"
"""
PODMAN_SCRIPT = """#!/bin/sh
# This machine's own Podman.
exec {command} "$@"
"""
NODE_SCRIPT = """#!/bin/sh
# This machine's own edge-node.
verb=$1
shift
export PYTHONPATH={root}
exec {python} -m node.cli "$verb" --state {state} --run {run} "$@"
"""

Say = Callable[[str], None]


class LabFleet:
    """The programs of one lab; ``say`` hears of every step."""

    def __init__(self, substrate: Substrate, say: Say) -> None:
        """Nothing is started yet."""
        self.substrate = substrate
        self.faults = Faults(substrate)
        self.lab: LabLayout = substrate.lab
        self._say = say

    @property
    def context(self) -> str:
        """Return the name of the lab's context in edgectl's home."""
        return self.lab.name

    @property
    def hub_url(self) -> str:
        """Return where the lab's hub answers."""
        return f"https://{self.lab.hub.address}:{HUB_PORT}"

    def up(self) -> None:
        """Bring everything up that is not; raise `LabError` when it cannot be."""
        self._say(f"machines: {', '.join(each.name for each in self.lab.machines)}")
        self.substrate.up()
        self._write_scripts()
        if not (self.lab.hub.state / "hub.toml").exists():
            self._found()
        self.start(HUB)
        self._adopt()
        for node in self.lab.nodes:
            self.start(node.name)
        self._say("waiting for the devices to enrol")
        self.wait_ready()

    def down(self) -> None:
        """End and remove everything, and give back the context that was current."""
        self.substrate.down()
        if self.context in home.load().contexts:
            home.remove(self.context)

    def start(self, name: str) -> None:
        """Start a machine's own program if it has power and none runs."""
        program = self.program_of(name)
        if name == BROKER or self.substrate.pid_of(name, program) is not None:
            return
        words, environment = self.program(name)
        self._say(f"{name}: {program} run")
        self.substrate.start(name, program, words, environment)

    def program(self, name: str) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the command line of a machine's own program, and its environment."""
        machine = self.lab.machine(name)
        words = self._hub_words() if name == HUB else self._node_words(machine)
        return words, self._environment(machine)

    def program_of(self, name: str) -> str:
        """Return what runs on a machine; the broker is the hub's child."""
        self.lab.machine(name)
        return {HUB: HUB_PROGRAM, BROKER: ""}.get(name, NODE_PROGRAM)

    def freeze(self, name: str) -> None:
        """Stop a machine's own program where it is."""
        self.faults.freeze(name, self.program_of(name))

    def thaw(self, name: str) -> None:
        """Let a machine's own program go on."""
        self.faults.thaw(name, self.program_of(name))

    def heal(self, name: str | None) -> None:
        """End every fault of a machine, or of all of them; lost power stays lost."""
        if name is None:
            self.faults.heal_all(self._programs())
        else:
            self.faults.heal(name, self.program_of(name))

    def troubles(self) -> dict[str, tuple[str, ...]]:
        """Return the faults of each machine in words."""
        return self.faults.shown(self._programs())

    def _programs(self) -> dict[str, str]:
        names = (machine.name for machine in self.lab.machines)
        return {name: self.program_of(name) for name in names}

    def boot(self, name: str) -> None:
        """Give a machine its power back and start its program, as its init would."""
        self.substrate.boot(name)
        self._write_scripts()
        self.start(name)

    def command(self, name: str, words: Sequence[str]) -> tuple[str, ...]:
        """Return the command line that runs ``words`` on a machine."""
        machine = self.lab.machine(name)
        path = f"{machine.etc / 'bin'}:{os.environ.get('PATH', programs.PATH)}"
        return (*self.substrate.enter(name), "env", f"PATH={path}", *words)

    def status(self) -> dict[str, object]:
        """Return what `edgectl lab status -o json` prints."""
        return {
            "name": self.lab.name,
            "context": self.context,
            "hub": self.hub_url,
            "registry": self.lab.registry,
            "nodes": [
                {
                    "name": node.name,
                    "site": node.site,
                    "address": node.address,
                    "netns": node.namespace,
                    "podman": str(node.socket),
                }
                for node in self.lab.nodes
            ],
        }

    def wait_ready(self) -> None:
        """Wait until every device with power is a member and reports."""
        end = time.monotonic() + READY_WITHIN
        wanted = {node.name for node in self.lab.nodes}
        while time.monotonic() < end:
            rows = json.loads(self._edgectl("get", "nodes", "-o", "json") or "[]")
            if wanted <= {row["name"] for row in rows if row["state"] == "ready"}:
                return
            time.sleep(LOOK_EVERY)
        logs = self.substrate.log_of(self.lab.nodes[0].name, NODE_PROGRAM).parent
        raise LabError(f"cannot bring up lab {self.lab.name}: see the logs in {logs}")

    def _found(self) -> None:
        """Make the fleet's keys and its hub; join files come after adoption."""
        if self.context in home.load().contexts:
            home.remove(self.context)
        self._say("edgectl fleet init, edge-hub init")
        self._edgectl("fleet", "init", self.context, "--no-passphrase", bare=True)
        home.use(self.context)
        context = home.get(self.context)[1]
        changed = {"insecure_registries": (self.lab.registry,)}
        home.change(self.context, msgspec.structs.replace(context, **changed))
        self._run(
            *(sys.executable, "-m", "hub.cli", "init"),
            *("--state", str(self.lab.hub.state), "--root", context.anchor),
            *("--url", self.hub_url, "--listen", self.lab.hub.address),
            *("--broker", f"mqtts://{self.lab.broker.address}:{BROKER_PORT}"),
            *("--mosquitto", str(self._broker_script)),
        )

    def _adopt(self) -> None:
        if home.get(self.context)[1].hub:
            return
        self._wait_hub()
        self._say("edgectl hub adopt")
        shown = json.loads(
            self._run(
                *(sys.executable, "-m", "hub.cli", "status", "-o", "json"),
                *("--state", str(self.lab.hub.state)),
            )
        )
        self._edgectl(
            "hub", "adopt", self.hub_url, "--fingerprint", shown["fingerprint"]
        )
        for site in sorted({node.site for node in self.lab.nodes}):
            count = sum(node.site == site for node in self.lab.nodes)
            words = ("token", "create", "--site", site, "--expires", VOUCHER_FOR)
            uses = str(count + SPARE_USES)
            token = self._edgectl(*words, "--uses", uses)
            files.write(self._join_file(site), token.encode())

    def _wait_hub(self) -> None:
        """Return when the hub listens; raise `LabError` when it does not."""
        end = time.monotonic() + HUB_WITHIN
        while self.substrate.pid_of(HUB, HUB_PROGRAM) and time.monotonic() < end:
            try:
                socket.create_connection((self.lab.hub.address, HUB_PORT), 1).close()
            except OSError:
                time.sleep(LOOK_EVERY)
            else:
                return
        log = self.substrate.log_of(HUB, HUB_PROGRAM)
        raise LabError(f"cannot start the hub of lab {self.lab.name}: see {log}")

    def _hub_words(self) -> tuple[str, ...]:
        state = str(self.lab.hub.state)
        return (sys.executable, "-m", "hub.cli", "run", "--state", state)

    def _node_words(self, machine: Machine) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "node.cli", "run", "--name", machine.name),
            *("--state", str(machine.state), "--run", str(_run_of(machine))),
            *("--podman", f"unix://{machine.socket}"),
            *("--join", str(self._join_file(machine.site))),
        )

    def _join_file(self, site: str) -> Path:
        return self.lab.folder / f"join-{site}.toml"

    @property
    def _broker_script(self) -> Path:
        return self.lab.folder / "mosquitto"

    def _write_scripts(self) -> None:
        broker = BROKER_SCRIPT.format(namespace=self.lab.broker.namespace_path)
        files.write(self._broker_script, broker.encode(), mode=EXECUTABLE)
        for node in self.lab.nodes:
            command = " ".join(podman.command(node))
            script = PODMAN_SCRIPT.format(command=command)
            self._write(node, "podman", script)
            script = NODE_SCRIPT.format(
                root=ROOT, python=sys.executable, state=node.state, run=_run_of(node)
            )
            self._write(node, NODE_PROGRAM, script)

    def _write(self, node: Machine, name: str, script: str) -> None:
        path = node.etc / "bin" / name
        files.write(path, script.encode(), mode=EXECUTABLE)

    def _environment(self, machine: Machine) -> dict[str, str]:
        return {
            "HOME": str(machine.folder),
            "PATH": programs.PATH,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }

    def _edgectl(self, *words: str, bare: bool = False) -> str:
        chosen = () if bare else ("--context", self.context)
        return self._run(sys.executable, "-m", "edge.ctl.main", *chosen, *words)

    def _run(self, *words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            shown = " ".join(words[2:6])
            problem = done.stderr.strip() or f"exit code {done.returncode}"
            raise LabError(f"cannot bring up lab {self.lab.name}: {shown}: {problem}")
        return done.stdout


def _run_of(machine: Machine) -> Path:
    """Return edge-node's run folder: in the machine's memory, gone with the power."""
    return machine.run / "node"


def check_context(lab: LabLayout) -> None:
    """Refuse to take the name of a context that is a real fleet's."""
    contexts = home.load().contexts
    context = contexts.get(lab.name)
    if (
        context
        and context.hub
        and str(lab.subnet).rpartition(".")[0] not in context.hub
    ):
        problem = f"cannot bring up lab {lab.name}: a context of that name is yours"
        raise ConfigError(f"{problem}; use --name")
