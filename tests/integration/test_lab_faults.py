"""The lab's faults do what they say, to whom they say, and end without a trace."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from edge.errors import LabError
from edge.lab import layout, network, processes, state
from edge.lab.fleet import LabFleet
from edge.lab.layout import LabLayout
from edge.lab.substrate import Substrate
from tests.support.lab_sockets import socket_in
from tests.support.labs import python_environment

NAME = "faulttest"
SUBNET = "10.91.24.0/24"
PROGRAM = "edge-node"  # the program `freeze` looks for; here something that counts


class Line:
    """A datagram socket on each machine, and what gets from one to the other."""

    def __init__(self, substrate: Substrate, names: tuple[str, ...]) -> None:
        self.stack = ExitStack()
        self.ends: dict[str, socket.socket] = {}
        for name in names:
            end = self.stack.enter_context(socket_in(substrate, name))
            end.bind((substrate.lab.machine(name).address, 0))
            end.settimeout(0.4)
            self.ends[name] = end
        self.number = 0

    def took(self, source: str, target: str) -> float | None:
        """Seconds a datagram takes, None when it does not arrive."""
        self.number += 1
        sent = f"{source} {self.number}".encode()
        began = time.monotonic()
        self.ends[source].sendto(sent, self.ends[target].getsockname())
        with suppress(TimeoutError):
            while self.ends[target].recv(100) != sent:
                pass
            return time.monotonic() - began
        return None

    def passes(self, source: str, target: str) -> bool:
        """Whether a datagram arrives; after a change the way is found anew (ARP)."""
        return any(self.took(source, target) is not None for _ in range(4))

    def drain(self) -> None:
        """Forget what is still on its way."""
        for end in self.ends.values():
            with suppress(TimeoutError):
                while True:
                    end.recv(100)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabLayout]:
    """Three machines for the whole file."""
    home = tmp_path_factory.mktemp("labs")
    made = layout.plan(NAME, SUBNET, layout.parse_places(3, None), home)
    Substrate(made).up()
    try:
        yield made
    finally:
        Substrate(state.recover(NAME, home)).down()
    assert [x for x in Path("/proc").glob("[0-9]*") if mentions_relay(x)] == []


def mentions_relay(process: Path) -> bool:
    """Whether a process is a relay of this lab: by the name of its log."""
    with suppress(OSError):
        return f"/{NAME}/" in str((process / "fd/1").readlink())
    return False


@pytest.fixture
def fleet(lab: LabLayout) -> Iterator[LabFleet]:
    """The lab's programs; every fault is ended behind the test."""
    made = LabFleet(Substrate(lab), lambda _: None)
    yield made
    made.heal(None)
    made.substrate.end("n1", PROGRAM)
    assert not any(made.troubles().values())


@pytest.fixture
def line(fleet) -> Iterator[Line]:
    """Sockets on all three, which reach each other."""
    line = Line(fleet.substrate, ("n1", "n2", "n3"))
    with line.stack:
        for one, other in (("n1", "n2"), ("n2", "n3"), ("n3", "n1")):
            assert line.passes(one, other)
            assert line.passes(other, one)
        yield line


@pytest.mark.parametrize(("way", "passing"), [("in", "n1"), ("out", "n2")])
def test_a_one_way_line_passes_one_way(fleet, line, way, passing):
    """The worst of radio links: each side believes something else."""
    fleet.faults.one_way("n1", way)
    other = {"n1": "n2", "n2": "n1"}[passing]
    assert line.took(passing, other) is not None
    assert line.took(other, passing) is None
    assert line.passes("n2", "n3")
    assert fleet.troubles()["n1"]
    fleet.heal("n1")
    assert line.passes(other, passing)


def test_a_partition_divides_its_groups_and_nobody_else(fleet, line):
    """Machines of one group, and those in none, reach each other."""
    fleet.faults.partition((("n1", "n2"), ("n3",)))
    assert line.passes("n1", "n2")
    assert not line.passes("n1", "n3")
    assert not line.passes("n3", "n2")
    assert fleet.troubles()["n3"] == ("divided off with nobody",)
    fleet.faults.partition((("n1",), ("n2",)))
    assert line.passes("n3", "n1")
    assert not line.passes("n1", "n2")
    fleet.heal("n2")
    assert line.passes("n1", "n2")


def test_a_machine_stands_in_one_group(fleet):
    """Anything else says nothing clear."""
    with pytest.raises(LabError, match="name each machine in one group"):
        fleet.faults.partition((("n1", "n2"), ("n2", "n3")))


def test_a_delayed_line_is_late_by_its_span_each_way(fleet, line):
    """Every frame by a time of its own; others are as quick as before."""
    fleet.faults.delay("n1", 0.05, 0.15)
    assert fleet.troubles()["n1"] == ("50 to 150 ms late",)
    wait_for_relay(line)
    for one, other in (("n1", "n2"), ("n2", "n1")):
        times = [line.took(one, other) for _ in range(20)]
        assert min(times) >= 0.05
        assert 0.06 < max(times) < 0.25
        assert max(times) - min(times) > 0.02
    assert line.took("n2", "n3") < 0.03
    fleet.heal("n1")
    assert line.passes("n1", "n2")
    assert line.took("n1", "n2") < 0.03


def wait_for_relay(line: Line) -> None:
    """Until frames pass again; it takes a Python's start."""
    end = time.monotonic() + 5
    while line.took("n1", "n2") is None:
        assert time.monotonic() < end, "the relay does not carry"
    time.sleep(0.5)
    line.drain()


def test_streams_pass_a_relay_whole(fleet, line, lab):
    """Checksums and segments that the kernel had put off are still done."""
    fleet.faults.delay("n1", 0.001, 0.002)
    wait_for_relay(line)
    with served(fleet, "n1") as size:
        address = lab.machine("n1").address
        connection = http.client.HTTPConnection(address, 8000, timeout=10)
        connection.request("GET", "/big")
        assert len(connection.getresponse().read()) == size
        connection.close()


@contextmanager
def served(fleet: LabFleet, name: str) -> Iterator[int]:
    """A web server with one large file."""
    folder = fleet.lab.machine(name).state
    (folder / "big").write_bytes(os.urandom(3_000_000))
    words = ("python3", "-m", "http.server", "8000", "--directory", str(folder))
    fleet.substrate.start(name, "server", words, {})
    try:
        address = (fleet.lab.machine(name).address, 8000)
        end = time.monotonic() + 5
        while True:
            with suppress(OSError):
                socket.create_connection(address, 1).close()
                break
            assert time.monotonic() < end, "the server does not listen"
            time.sleep(0.05)
        yield 3_000_000
    finally:
        fleet.substrate.end(name, "server")


def test_cable_and_loss_work_on_a_delayed_line(fleet, line, lab):
    """Faults add up; the machine sees its carrier go as ever."""
    fleet.faults.delay("n1", 0.001, 0.002)
    wait_for_relay(line)
    fleet.substrate.cut("n1")
    show = ("ip", "-n", lab.machine("n1").namespace, "link", "show", "dev", "eth0")
    assert b"NO-CARRIER" in subprocess.run(show, capture_output=True, check=True).stdout
    fleet.substrate.heal("n1")
    assert line.passes("n1", "n2")
    fleet.substrate.lose("n1", 100)
    assert not line.passes("n1", "n2")
    fleet.faults.delay("n1", 0, 0)
    assert not line.passes("n1", "n2")
    fleet.substrate.lose("n1", 0)
    assert line.passes("n1", "n2")


def test_a_delay_goes_with_the_power(fleet, lab):
    """And leaves no cable behind."""
    fleet.faults.delay("n3", 0.01, 0.01)
    fleet.substrate.kill("n3")
    assert {x for x in network.links(lab) if x.startswith("n3")} == set()
    fleet.substrate.boot("n3")
    assert fleet.troubles()["n3"] == ()


def test_a_frozen_program_stands_still_until_it_is_thawed(fleet, lab):
    """A hang: the process is there and does nothing."""
    counting = "while :; do date +%N; sleep 0.02; done"
    fleet.substrate.start("n1", PROGRAM, ("sh", "-c", counting), {})
    log = fleet.substrate.log_of("n1", PROGRAM)
    fleet.freeze("n1")
    assert fleet.troubles()["n1"] == ("edge-node is frozen",)
    time.sleep(0.1)
    size = log.stat().st_size
    time.sleep(0.2)
    assert log.stat().st_size == size
    fleet.thaw("n1")
    time.sleep(0.2)
    assert log.stat().st_size > size


def test_only_a_program_that_runs_is_frozen(fleet):
    """Otherwise the fault would be believed and not be there."""
    with pytest.raises(LabError, match="cannot find edge-node on n2: none runs"):
        fleet.freeze("n2")


def test_a_hog_is_busy_until_it_is_ended(fleet, lab):
    """And takes its loops along."""
    fleet.faults.hog("n2", 2, 60)
    assert fleet.troubles()["n2"] == ("a hog is busy",)
    inside = network_of(lab)
    end = time.monotonic() + 3
    while len(loops(inside)) < 2:
        assert time.monotonic() < end, "nobody is busy"
        time.sleep(0.02)
    fleet.heal("n2")
    time.sleep(0.1)
    assert loops(inside) == []


def network_of(lab: LabLayout) -> tuple[int, int]:
    """The network namespace of n2."""
    found = processes.network_at(lab.machine("n2").namespace_path)
    assert found is not None
    return found


def loops(inside: tuple[int, int]) -> list[int]:
    """The processes of n2 that do nothing but loop."""
    belongs = processes.is_inside(inside)
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    busy = "while :; do :; done"
    return [p for p in pids if belongs(p) and processes.command_line(p)[-1:] == [busy]]


def test_the_commands_say_what_is_wrong(fleet, lab):
    """`status` is where a person finds out."""
    environment = {**python_environment(), "EDGE_LAB_HOME": str(lab.home)}
    words = (sys.executable, "-m", "edge.ctl.main", "lab")
    for verb in (("oneway", "n1", "out"), ("delay", "n2", "10ms-20ms")):
        run((*words, *verb, "--name", NAME), environment)
    run((*words, "partition", "--name", NAME, "n1,n2", "n3"), environment)
    shown = run((*words, "status", "--name", NAME), environment)
    assert "nothing it sends arrives" in shown
    assert "10 to 20 ms late" in shown
    assert "divided off with n2" in shown
    run((*words, "heal", "--name", NAME), environment)
    assert not any(fleet.troubles().values())
    assert json.loads(
        run((*words, "status", "--name", NAME, "-o", "json"), environment)
    )


def run(words: tuple[str, ...], environment: dict[str, str]) -> str:
    """What a command prints."""
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
