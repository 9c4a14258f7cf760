"""A lab of real namespaces, stores and containers does what a rack of devices does.

One lab of two nodes for the whole file, in the order of the file: up, run, faults,
power loss, down. Tests that need their own lab make one.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import eq
from pathlib import Path

import pytest

from edge.errors import LabError
from edge.lab import images, layout, network, podman, power, processes, state
from edge.lab.images import Settings
from edge.lab.layout import LabLayout
from edge.lab.substrate import Substrate
from tests.support.lab_sockets import socket_in

NAME = "subtest"
SUBNET = "10.91.21.0/24"
PUBLISHED = 8080
RUN = ("run", "--detach", f"--publish={PUBLISHED}:80")


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What a lab leaves on the host while it is up."""

    namespaces: frozenset[str]
    links: frozenset[str]
    mounts: frozenset[str]
    folders: frozenset[str]
    commands: frozenset[str]


def names_in(folder: Path) -> frozenset[str]:
    """The entries of a folder that may not be there."""
    return frozenset(path.name for path in folder.glob("*"))


def mine(names: frozenset[str]) -> frozenset[str]:
    """Those of this lab: others may come and go on the same host."""
    return frozenset(name for name in names if NAME in name)


def traces(home: Path) -> Traces:
    """Everything on the host that has this lab's name, or lies in its home."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return Traces(
        namespaces=mine(names_in(Path("/run/netns"))),
        links=mine(names_in(Path("/sys/class/net"))),
        mounts=frozenset(line for line in mounts if NAME in line or str(home) in line),
        folders=names_in(home) | mine(names_in(layout.RUN)),
        commands=frozenset(
            line
            for pid in names_in(Path("/proc"))
            if pid.isdigit() and (line := command_line(pid)) and str(home) in line
        ),
    )


def command_line(pid: str) -> str:
    """A process's words, empty when it has just gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def groups_of(containers: frozenset[str]) -> list[str]:
    """The cgroups named after these containers."""
    return [
        path
        for path, _, _ in os.walk("/sys/fs/cgroup")
        if containers & set(re.findall(r"libpod-([0-9a-f]{64})", path))
    ]


def within(seconds: float, fact: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Tried:
    """A lab under test, with verbs a person at its keyboard would use."""

    def __init__(self, lab: LabLayout) -> None:
        self.lab = lab
        self.substrate = Substrate(lab)

    def podman(self, name: str, *words: str) -> str:
        """Run Podman on a machine and return what it prints."""
        argv = (*self.substrate.podman(name), *words)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def get(self, source: str, target: str, path: str = "/") -> tuple[int, str]:
        """Ask the published port of ``target`` from ``source``; 0 for no answer."""
        url = f"http://{self.lab.machine(target).address}:{PUBLISHED}{path}"
        ask = ("curl", "--silent", "--max-time", "1", "--write-out", "\n%{http_code}")
        argv = (*self.substrate.enter(source), *ask, url)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        body, _, code = done.stdout.rpartition("\n")
        return int(code), body.strip()

    def answers(self, source: str, target: str) -> bool:
        """Whether the published port of ``target`` answers ``source``."""
        return self.get(source, target)[0] == 200

    def image(self, tag: str) -> str:
        """A ready-made image."""
        return f"{self.lab.registry}/web:{tag}"

    def ping(self, name: str) -> bytes:
        """Ask Podman's API on its socket, as a client does."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.lab.machine(name).socket))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: podman\r\n\r\n")
            return connection.recv(4096)

    def inside(self, name: str) -> list[int]:
        """The living processes in a machine's namespace."""
        network = processes.network_at(self.lab.machine(name).namespace_path)
        assert network is not None
        belongs = processes.is_inside(network)
        pids = [int(pid) for pid in names_in(Path("/proc")) if pid.isdigit()]
        return [pid for pid in pids if belongs(pid) and processes.identify(pid)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this file keeps its labs."""
    return tmp_path_factory.mktemp("labs")


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[Tried]:
    """One lab of two sites, up for the whole file; `down` must leave nothing."""
    before = traces(home)
    places = layout.parse_places(None, "a:1,b:1")
    tried = Tried(layout.plan(NAME, SUBNET, places, home))
    tried.substrate.up()
    try:
        tried.podman("n1", *RUN, "--name=web", tried.image("1"))
        tried.podman("n2", *RUN, "--name=web", tried.image("2"))
        yield tried
    finally:
        Substrate(state.recover(NAME, home)).down()
    assert traces(home) == before


def test_a_node_answers_from_another(lab: Tried) -> None:
    """Version and the container's own host name, through bridge and published port."""
    host = lab.podman("n1", "inspect", "--format={{.Config.Hostname}}", "web")
    assert lab.get("n2", "n1") == (200, f"web 1 on {host}")


def test_a_second_version_says_so(lab: Tried) -> None:
    """An update can be seen from outside."""
    assert lab.get("n1", "n2")[1].startswith("web 2 on ")


def test_a_healthy_version_is_healthy(lab: Tried) -> None:
    """What a probe asks."""
    assert lab.get("n2", "n1", "/healthz") == (200, "ok")


def test_hub_and_broker_reach_the_nodes(lab: Tried) -> None:
    """They are machines like the others."""
    assert lab.answers("hub", "n1")
    assert lab.answers("broker", "n1")


def test_a_host_firewall_that_forwards_nothing_is_no_obstacle(lab: Tried) -> None:
    """The switch has rules of its own, and they are empty."""
    enter = ("nsenter", f"--net=/run/netns/{lab.lab.lan}")
    rules = subprocess.run(
        (*enter, "iptables", "-S", "FORWARD"), capture_output=True, check=True
    )
    assert rules.stdout == b"-P FORWARD ACCEPT\n"


def test_stores_are_each_machine_s_own(lab: Tried) -> None:
    """An image on one device is not on the other."""
    listed = ("images", "--format={{.Tag}}")
    assert (lab.podman("n1", *listed), lab.podman("n2", *listed)) == ("1", "2")


def test_nothing_of_podman_is_shared_through_the_host(lab: Tried) -> None:
    """Locks, networks and the runtime's state lie in the machine's folders."""
    told = json.loads(lab.podman("n1", "info", "--format=json"))
    machine = lab.lab.machine("n1")
    assert told["store"]["graphRoot"] == str(machine.store)
    assert told["store"]["runRoot"] == str(machine.runroot)
    assert told["host"]["ociRuntime"]["path"] == str(machine.runtime)
    assert (machine.tmpdir / "locks").exists()


def test_a_stop_takes_no_ten_seconds(lab: Tried) -> None:
    """The ready-made images end at once on SIGTERM."""
    lab.podman("n1", "run", "--detach", "--name=stopped", lab.image("1"))
    began = time.monotonic()
    lab.podman("n1", "stop", "--time=10", "stopped")
    assert time.monotonic() - began < 3
    code = lab.podman("n1", "inspect", "--format={{.State.ExitCode}}", "stopped")
    assert code == "0"


def test_the_ill_image_answers_500(lab: Tried) -> None:
    """What a rollout must notice; the rest of it works."""
    lab.podman("n2", "stop", "--time=1", "web")
    lab.podman("n2", *RUN, "--name=ill", lab.image("bad"))
    assert within(3, lambda: lab.get("n1", "n2", "/healthz")[0] == 500)
    assert lab.get("n1", "n2")[1].startswith("web bad on ")
    began = time.monotonic()
    lab.podman("n2", "rm", "--force", "--time=10", "ill")
    assert time.monotonic() - began < 3
    lab.podman("n2", "start", "web")


def test_the_user_image_serves_port_80_without_rights(lab: Tried) -> None:
    """All capabilities dropped, uid 1000, one sysctl of its own namespace."""
    low = "--sysctl=net.ipv4.ip_unprivileged_port_start=0"
    options = ("--detach", "--cap-drop=all", low, "--name=user")
    lab.podman("n1", "run", *options, lab.image("user"))
    pid = lab.podman("n1", "inspect", "--format={{.State.Pid}}", "user")
    assert Path(f"/proc/{pid}").stat().st_uid == 1000
    ask = ("curl", "--silent", "--fail", "http://127.0.0.1/healthz")
    argv = ("nsenter", f"--net=/proc/{pid}/ns/net", *ask)
    assert within(3, lambda: subprocess.run(argv, check=False).returncode == 0)
    lab.podman("n1", "rm", "--force", "--time=5", "user")


def test_a_crashed_container_can_be_started_again(lab: Tried) -> None:
    """The clean-up of conmon must look where the runtime keeps its state."""
    pid = int(lab.podman("n1", "inspect", "--format={{.State.Pid}}", "web"))
    os.kill(pid, signal.SIGKILL)
    state_of = ("inspect", "--format={{.State.Status}}", "web")
    assert within(5, lambda: lab.podman("n1", *state_of) == "exited")
    lab.podman("n1", "start", "web")
    assert within(3, lambda: lab.answers("n2", "n1"))


def test_podman_answers_on_its_socket_and_leaves_when_idle(lab: Tried) -> None:
    """No service stays running; the socket stays."""
    assert b"OK" in lab.ping("n2")
    serving = processes.mentions(
        "podman", "service", f"--root={lab.lab.nodes[1].store}"
    )
    running = [pid for pid in lab.inside("n2") if serving(pid)]
    assert len(running) == 1
    gone = podman.SERVICE_FOR + 5
    assert within(gone, lambda: not any(serving(pid) for pid in lab.inside("n2")))
    assert b"OK" in lab.ping("n2")


def test_an_image_is_built_from_a_folder(lab: Tried, tmp_path: Path) -> None:
    """Pushed to the registry, pulled by digest."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").write_bytes(Path("/bin/busybox").read_bytes())
    (tmp_path / "bin" / "sh").chmod(0o755)
    told = Settings(command=("/bin/sh", "-c", "echo $WORD"), environment={"WORD": "hi"})
    reference = images.build(lab.lab, tmp_path, "own/tool:7", told)
    assert lab.podman("n1", "run", "--rm", "--quiet", reference) == "hi"
    assert images.build(lab.lab, tmp_path, "own/tool:8", told) == reference


def test_a_cut_machine_is_silent_until_it_is_healed(lab: Tried) -> None:
    """No refusal, no answer; its own processes run on."""
    lab.substrate.cut("n1")
    assert lab.get("n2", "n1")[0] == 0
    assert lab.get("n1", "n1")[0] == 200
    lab.substrate.heal("n1")
    assert within(3, lambda: lab.answers("n2", "n1"))


def test_a_cut_machine_sees_its_carrier_go(lab: Tried) -> None:
    """As when the cable is pulled."""
    show = ("ip", "-n", lab.lab.machine("n2").namespace, "link", "show", "dev", "eth0")
    lab.substrate.cut("n2")
    seen = subprocess.run(show, capture_output=True, check=True).stdout
    lab.substrate.heal("n2")
    assert b"NO-CARRIER" in seen


@pytest.mark.parametrize("sender", ["n1", "n2"])
def test_loss_takes_its_share_each_way(lab: Tried, sender: str) -> None:
    """1000 datagrams at 20 %: between 130 and 270 missing is 5.5 sigma."""
    lab.substrate.lose("n1", 20)
    receiver = {"n1": "n2", "n2": "n1"}[sender]
    missing = 1000 - datagrams_through(lab, sender, receiver, 1000)
    lab.substrate.heal("n1")
    assert 130 <= missing <= 270
    assert datagrams_through(lab, sender, receiver, 100) == 100


def datagrams_through(lab: Tried, sender: str, receiver: str, count: int) -> int:
    """Send datagrams from one machine to another and count what arrives."""
    with (
        socket_in(lab.substrate, receiver) as inbox,
        socket_in(lab.substrate, sender) as outbox,
    ):
        inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        inbox.bind((lab.lab.machine(receiver).address, 0))
        # The first one finds the way (ARP); a lossy link may take several.
        for number in range(count + 100):
            outbox.sendto(number.to_bytes(4), inbox.getsockname())
            time.sleep(0.002 if number < 100 else 0)
        inbox.settimeout(0.3)
        return sum(number >= 100 for number in numbers(inbox))


def numbers(inbox: socket.socket) -> Iterator[int]:
    """What arrives until it is quiet."""
    while True:
        try:
            yield int.from_bytes(inbox.recv(4))
        except TimeoutError:
            return


def test_the_whole_of_it_can_be_lost(lab: Tried) -> None:
    """100 % is a share too, and shown with the others."""
    lab.substrate.lose("n1", 100)
    losses = {one.machine.name: one.loss for one in lab.substrate.conditions()}
    silent = lab.get("n2", "n1")[0]
    lab.substrate.heal("n1")
    assert (losses["n1"], losses["n2"], silent) == (100.0, 0.0, 0)


def test_a_process_runs_on_its_machine_until_it_is_ended(lab: Tried) -> None:
    """As the daemons do that others start here."""
    show = ("sh", "-c", "ip -brief address show dev eth0; exec sleep 60")
    pid = lab.substrate.start("hub", "shown", show, {})
    log = lab.substrate.log_of("hub", "shown")
    assert within(2, lambda: lab.lab.hub.address in log.read_text())
    assert lab.substrate.pid_of("hub", "shown") == pid
    lab.substrate.end("hub", "shown")
    assert lab.substrate.pid_of("hub", "shown") is None


def test_power_loss_takes_what_podman_had_just_begun(lab: Tried) -> None:
    """A container's namespace that hangs on nothing yet is only held by its maker."""
    begun = f"netns-{NAME}"
    make = f"ip netns add {begun}; exec sleep 600 </run/netns/{begun}"
    lab.substrate.start("n1", "begun", ("sh", "-c", make), {})
    path = Path("/run/netns", begun)
    held = f"/proc/{lab.substrate.pid_of('n1', 'begun')}/fd/0"
    assert within(2, lambda: path.exists() and path.samefile(held))
    lab.substrate.kill("n1")
    lab.substrate.boot("n1")
    lab.podman("n1", "start", "web")
    assert not path.exists()


def test_power_loss_takes_everything_of_the_machine(lab: Tried) -> None:
    """No answer, and no process, mount, namespace or cgroup of it left."""
    machine = lab.lab.machine("n1")
    lab.substrate.start("n1", "daemon", ("sleep", "600"), {})
    assert b"OK" in lab.ping("n1")
    containers, pids = podman.containers(machine), lab.inside("n1")
    namespaces = network.container_namespaces(machine)
    assert containers
    assert namespaces
    assert groups_of(containers)
    lab.substrate.kill("n1")
    assert lab.get("n2", "n1")[0] == 0
    assert [pid for pid in pids if processes.identify(pid)] == []
    assert power.mounts(machine.folder, machine.run) == []
    assert names_in(Path("/run/netns")).isdisjoint({*namespaces, machine.namespace})
    assert groups_of(containers) == []
    assert not machine.run.exists()
    assert lab.substrate.pid_of("n1", "daemon") is None


def test_a_machine_without_power_cannot_be_reached(lab: Tried) -> None:
    """The message says what to do."""
    with pytest.raises(LabError, match="cannot reach n1: it has no power; boot it"):
        lab.substrate.enter("n1")


def test_what_ran_before_power_loss_can_be_started_after_it(lab: Tried) -> None:
    """Same address, same published port, same content; Podman's socket is back."""
    lab.substrate.boot("n1")
    lab.podman("n1", "start", "web")
    assert within(3, lambda: lab.answers("n2", "n1"))
    assert b"OK" in lab.ping("n1")


def test_a_machine_with_power_is_not_booted(lab: Tried) -> None:
    """It would lose what it runs."""
    with pytest.raises(LabError, match="cannot boot n1: it has power"):
        lab.substrate.boot("n1")


@pytest.mark.parametrize("name", ["hub", "broker"])
def test_hub_and_broker_lose_power_and_return(lab: Tried, name: str) -> None:
    """Without a store they are no exception."""
    lab.substrate.kill(name)
    powered = {one.machine.name: one.powered for one in lab.substrate.conditions()}
    lab.substrate.boot(name)
    assert powered == {"hub": True, "broker": True, "n1": True, "n2": True} | {
        name: False
    }
    assert lab.answers(name, "n1")


def test_the_lab_heals_when_its_own_processes_were_killed(lab: Tried) -> None:
    """A second `up` brings back registry and sockets, and touches no container."""
    for name in ("registry", "sockets"):
        own = processes.recall(lab.lab.processes / name)
        assert own is not None
        processes.kill_every(partial(eq, own.pid))
    started = ("inspect", "--format={{.State.StartedAt}}", "web")
    before = lab.podman("n1", *started)
    lab.substrate.up()
    assert b"OK" in lab.ping("n1")
    assert lab.podman("n1", *started) == before
    registry = http.client.HTTPConnection(lab.lab.host_address, layout.REGISTRY_PORT)
    registry.request("GET", "/v2/web/tags/list")
    tags = json.load(registry.getresponse())["tags"]
    registry.close()
    assert set(tags) >= {"1", "2", "bad", "user"}


def test_another_lab_stands_beside_it(lab: Tried, home: Path) -> None:
    """Own name, own subnet; taking it down leaves the first alone."""
    places = layout.parse_places(1, None)
    second = Substrate(layout.plan("subtestb", "10.91.22.0/24", places, home))
    second.up()
    try:
        assert all(one.powered for one in second.conditions())
    finally:
        second.down()
    assert lab.answers("n2", "n1")


def test_a_subnet_in_use_is_refused_and_nothing_is_left(lab: Tried, home: Path) -> None:
    """Half a lab would be worse than none."""
    places = layout.parse_places(1, None)
    with pytest.raises(LabError, match=f"cannot use {SUBNET} for lab subtestc"):
        Substrate(layout.plan("subtestc", SUBNET, places, home)).up()
    assert not (home / "subtestc").exists()
    assert lab.answers("n2", "n1")


def test_a_lab_of_the_same_name_elsewhere_is_refused(
    lab: Tried, tmp_path: Path
) -> None:
    """And the first one is not taken for a failed attempt of it."""
    other = layout.plan(NAME, "10.91.23.0/24", lab.lab.places, tmp_path)
    with pytest.raises(LabError, match=f"it belongs to {lab.lab.folder}"):
        Substrate(other).up()
    assert lab.answers("n2", "n1")


def test_a_lab_of_another_shape_is_refused(lab: Tried, home: Path) -> None:
    """`up` with other nodes means another lab."""
    places = layout.parse_places(3, None)
    with pytest.raises(LabError, match=f"cannot bring up lab {NAME}: another is there"):
        Substrate(layout.plan(NAME, SUBNET, places, home)).up()


def test_a_lab_with_a_damaged_record_is_taken_down_by_name(lab: Tried) -> None:
    """The last test: whether nothing is left is checked where the lab was made."""
    lab.lab.record.write_bytes(b"\0")
    for path in lab.lab.processes.iterdir():
        path.write_bytes(b"")
    with pytest.raises(LabError, match=f"edgectl lab down --name {NAME}"):
        state.load(NAME, lab.lab.home)
