"""The node's hands on a real Podman: what it is told is what the kernel enforces."""

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.errors import RuntimeFailure, TrustError, Unreachable
from edge.model import (
    MIB,
    Health,
    Image,
    PlatformImage,
    Port,
    Resources,
    Security,
    Volume,
    Workload,
)
from node import backoff, container_spec, facts, perform, reconcile
from node.actions import Create, Pull, Stop
from node.container_spec import Host
from node.podman_runtime import PodmanRuntime
from node.reconcile import Observed, Plan
from node.replica import Container, Replica, Sighting
from node.vault import Vault
from tests.support.podman_box import IDLE_AFTER, PodmanBox, podman_box, run
from tests.support.replicas import a_replica

SERVE = ("httpd", "-f", "-p", "80", "-h", "/www")
SLEEP = ("sleep", "1000")
CRASH_LIMIT = 0.5  # seconds; DESIGN promise 3
VALUES = {"token": b"hunter2 is not on disk"}


@pytest.fixture(scope="module")
def box() -> Iterator[PodmanBox]:
    """One device for all tests here; each removes its own containers."""
    with podman_box(f"tutti-{os.getpid()}") as box:
        yield box


@pytest.fixture(scope="module")
def web(box) -> Image:
    """An image of busybox that serves /www, as an operator would sign it."""
    return signed(box.make_image("localhost/web:1", "CMD " + words(SERVE)))


@pytest.fixture
def device(box) -> Iterator["Device"]:
    """A node's hands on the box; whatever they made is removed again."""
    device = Device(box)
    device.vault.open()
    yield device
    box.podman("rm", "--all", "--force", "--time=0")
    run("umount", str(device.vault.root))


def words(command: tuple[str, ...]) -> str:
    """Return a command the way an image's configuration spells it."""
    return msgspec.json.encode(command).decode()


def signed(image_id: str, **changes: Any) -> Image:
    """Return an image that is already here, pinned by its ID."""
    full = image_id if image_id.startswith("sha256:") else f"sha256:{image_id}"
    platform = PlatformImage(
        architecture=facts.architecture(), manifest=full, image_id=full
    )
    made = Image(reference="localhost/web", digest=full, platforms=(platform,))
    return msgspec.structs.replace(made, **changes)


class Device:
    """A small daemon: looks, plans, performs, until there is nothing to do."""

    def __init__(self, box: PodmanBox) -> None:
        self.box = box
        self.vault = Vault(box.folder / "secrets")
        self.host = Host(
            fleet="shop",
            node="n1",
            architecture=facts.architecture(),
            secrets=str(self.vault.root),
        )
        self.runtime = PodmanRuntime(box.url, self.host)
        self.history: reconcile.History = {}

    async def look(self, *wanted: Replica) -> Sighting:
        ids = {container_spec.image_id(each, self.host.architecture) for each in wanted}
        return await self.runtime.observe(ids)

    async def plan(self, *wanted: Replica, **observed: Any) -> Plan:
        sighting = await self.look(*wanted)
        provided = self.vault.provided()
        seen = Observed(sighting=sighting, provided=provided, **observed)
        now = time.monotonic()
        plan = reconcile.plan(wanted, seen, self.history, self.host, now)
        self.history = plan.history
        return plan

    async def settle(self, *wanted: Replica, values=VALUES) -> Plan:
        """Do what is planned until nothing is; give Podman time where it needs some."""
        for _ in range(100):
            plan = await self.plan(*wanted)
            if not plan.actions and all(s.state == "running" for s in plan.statuses):
                return plan
            for action in plan.actions:
                slots = {each.slot: values for each in wanted}
                await perform.perform(action, self.runtime, self.vault, slots)
            if not plan.actions:
                time.sleep(0.05)
        raise AssertionError(f"did not settle: {plan.statuses}")

    async def one(self, wanted: Replica) -> Container:
        (found,) = (await self.look(wanted)).containers
        return found

    async def running(self, wanted: Replica) -> Container:
        await self.settle(wanted)
        return await self.one(wanted)

    def conmon(self, container: Container) -> int:
        shown = self.box.podman(
            "inspect", "--format={{.State.ConmonPid}}", container.id
        )
        return int(shown)


def replica(image: Image, **changes: Any) -> Replica:
    """Return a replica of a workload called ``web`` on a real image."""
    return a_replica(workload=Workload(name="web", image=image, **changes))


def status_of(pid: int) -> dict[str, str]:
    """Return /proc/PID/status by field."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (x.partition(":") for x in lines)}


def cgroup_value(pid: int, controller: str, name: str, unified: str) -> str:
    """Return a limit from the process's own control group, version 1 or 2."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return _at(Path(f"/sys/fs/cgroup/{controller}{path}"), name)
    return _at(Path(f"/sys/fs/cgroup{path}"), unified)


def _at(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()


def workload_pid(container: Container) -> int:
    """Return the workload's own process: the child of the container's init."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    return int(children.read_text().split()[0])


async def test_a_container_is_hardened_unless_the_operator_said_less(device, web):
    """No capability, no new privileges, the default seccomp filter: by /proc."""
    pid = workload_pid(await device.running(replica(web)))
    status = status_of(pid)
    none = "0" * 16
    assert {status[f"Cap{x}"] for x in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {none}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


async def test_the_kernel_holds_the_limits_of_the_manifest(device, web):
    """Memory, processor and process count, read from the control groups."""
    limits = Resources(memory=32 * MIB, cpus=0.25, pids=17)
    pid = (await device.running(replica(web, resources=limits))).pid
    memory = cgroup_value(pid, "memory", "memory.limit_in_bytes", "memory.max")
    assert memory == str(32 * MIB)
    assert cgroup_value(pid, "pids", "pids.max", "pids.max") == "17"
    assert cgroup_value(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "25000"


async def test_processes_are_limited_even_where_nobody_asked(device, web):
    """A fork bomb stops somewhere."""
    pid = (await device.running(replica(web))).pid
    assert cgroup_value(pid, "pids", "pids.max", "pids.max") == "256"


async def test_what_the_operator_gives_back_is_given_back(device, web):
    """One capability, privileges, no seccomp: each by its own signed field."""
    weak = Security(capabilities=("NET_RAW",), privileges=True, seccomp=False)
    pid = workload_pid(await device.running(replica(web, security=weak)))
    status = status_of(pid)
    assert status["CapEff"] == f"{1 << 13:016x}"  # CAP_NET_RAW, linux/capability.h
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("0", "0")


async def test_a_published_port_80_is_bound_without_any_capability(device, web):
    """Inside its own network namespace every port is free to everyone."""
    ports = (Port(host=8080, container=80),)
    await device.settle(replica(web, ports=ports))
    await until(lambda: device.box.answers(8080), within=5)


async def test_a_container_knows_its_place(device, web):
    """Slot, revision and fence are in its environment; its host name is its own."""
    wanted = replica(web, env={"A": "b", "EDGE_NODE": "forged"})
    container = await device.running(wanted)
    said = device.box.podman("exec", container.id, "env").splitlines()
    assert {"EDGE_SLOT=web/web.1", "EDGE_NODE=n1", "EDGE_FENCE=1", "A=b"} <= {*said}
    assert device.box.podman("exec", container.id, "hostname").strip() == "web-1"


async def test_an_init_reaps_zombies_and_passes_signals_on(device, web):
    """Busybox as process 1 ignores SIGTERM; behind an init it ends at once."""
    container = await device.running(replica(web))
    began = time.monotonic()
    await device.runtime.stop(container.id, is_immediate=False)
    assert time.monotonic() - began < 3


async def test_the_host_network_is_used_only_when_asked(device, web):
    """Then the container is in the device's own namespace."""
    container = await device.running(replica(web, network="host", command=SLEEP))
    inside = str(Path(f"/proc/{container.pid}/ns/net").readlink())
    device_net = device.box.run_inside("readlink", "/proc/self/ns/net").strip()
    assert inside == device_net


async def test_a_container_without_a_network_has_none(device, web):
    """Only the loopback interface is there."""
    container = await device.running(replica(web, network="none", command=SLEEP))
    links = Path(f"/proc/{container.pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in links] == ["lo"]
    assert await device.runtime.address(container.id) == ""


async def test_a_read_only_root_is_read_only(device, web):
    """A hardening that a manifest may add."""
    wanted = replica(web, security=Security(read_only=True), command=SLEEP)
    container = await device.running(wanted)
    code = await device.runtime.execute(container.id, ["sh", "-c", "> /x"], within=5)
    assert code != 0


async def test_volumes_outlive_their_containers(device, web, tmp_path):
    """A named one belongs to its deployment, a path to the device."""
    volumes = (
        Volume(source="files", target="/data"),
        Volume(source=str(tmp_path), target="/host", read_only=True),
    )
    (tmp_path / "x").write_text("from the device")
    container = await device.running(replica(web, volumes=volumes, command=SLEEP))
    script = "cat /host/x > /data/x && ! touch /host/y"
    assert (
        await device.runtime.execute(container.id, ["sh", "-c", script], within=5) == 0
    )
    await device.settle()
    assert "tutti-web_files" in device.box.podman("volume", "ls", "-q")


async def test_a_missing_host_path_fails_before_the_old_one_stops(device, web):
    """What cannot be created must not cost what runs."""
    old = await device.running(replica(web))
    broken = (Volume(source="/no/such/folder", target="/x"),)
    workload = Workload(name="web", image=web, volumes=broken)
    newer = a_replica(version=2, workload=workload)
    with pytest.raises(RuntimeFailure, match="/no/such/folder"):
        await device.settle(newer)
    assert (await device.one(newer)).id == old.id


async def test_logs_are_bounded(device, web):
    """A chatty workload must not fill the disk."""
    script = "head -c 4000000 /dev/zero | tr '\\0' x | fold -w 80; sleep 1000"
    container = await device.running(replica(web, command=("sh", "-c", script)))
    path = device.box.podman(
        "inspect", "--format={{.HostConfig.LogConfig.Path}}", container.id
    )
    time.sleep(1)
    assert 0 < Path(path.strip()).stat().st_size <= 1.1 * container_spec.LOG_BYTES


async def test_a_new_revision_replaces_the_old_one(device, web):
    """Created, switched, removed; the old name is gone."""
    await device.settle(replica(web))
    newer = a_replica(
        version=2, workload=Workload(name="web", image=web, env={"V": "2"})
    )
    assert (await device.running(newer)).name == "tutti-web_web.1_r2"


async def test_foreign_containers_are_counted_and_left_alone(device, web):
    """Also one that borrowed our labels for another fleet."""
    image = web.platforms[0].image_id
    device.box.podman("run", "-d", "--name=theirs", image, *SLEEP)
    label = f"--label={container_spec.FLEET_LABEL}=other"
    device.box.podman("run", "-d", "--name=others", label, image, *SLEEP)
    await device.settle(replica(web))
    await device.settle()
    names = device.box.podman("ps", "--format={{.Names}}").split()
    assert sorted(names) == ["others", "theirs"]
    assert (await device.look()).foreign == 2


async def until(said: Callable[[], bool], within: float) -> float:
    """Return the seconds until ``said`` is true; fail after ``within``."""
    began = time.monotonic()
    while not said():
        assert time.monotonic() - began < within, "it took too long"
        time.sleep(0.005)
    return time.monotonic() - began


async def test_a_crash_is_repaired_by_podman_within_half_a_second(device, web):
    """With no service running: its restart policy lives in conmon's clean-up."""
    ports = (Port(host=8080, container=80),)
    wanted = replica(web, ports=ports)
    container = await device.running(wanted)
    await until(lambda: not device.box.is_serving, IDLE_AFTER + 3)
    os.kill(container.pid, signal.SIGKILL)
    took = await until(lambda: device.box.answers(8080), within=5)
    print(f"crash to answer, bridge, service cold: {took:.3f} s")
    assert took <= CRASH_LIMIT
    assert not device.box.is_serving
    assert (await device.one(wanted)).life != container.life


async def crash(device: Device, wanted: Replica) -> Container:
    """Kill the replica's process and return the container when all is calm again."""
    container = await device.one(wanted)
    os.kill(container.pid, signal.SIGKILL)
    for _ in range(100):
        now = await device.one(wanted)
        if now.life != container.life and (now.is_running or not now.repair_pending):
            return now
        time.sleep(0.05)
    raise AssertionError(f"neither repaired nor given up: {now}")


async def test_a_start_by_the_daemon_gives_podman_its_repairs_back(device, web):
    """Podman gives up after its tries; the daemon's start resets its count."""
    wanted = replica(web, command=SLEEP)
    await device.settle(wanted)
    for _ in range(backoff.QUICK_REPAIRS):
        assert (await crash(device, wanted)).is_running
    given_up = await crash(device, wanted)
    assert (given_up.is_running, given_up.repair_pending) == (False, False)
    await device.runtime.start(given_up.id)
    assert (await crash(device, wanted)).is_running


async def test_a_strict_replica_is_never_repaired_by_podman(device, web):
    """Only the daemon knows whether it may still run."""
    wanted = replica(web, command=SLEEP, failover="strict")
    await device.settle(wanted)
    down = await crash(device, wanted)
    time.sleep(1)
    assert not (await device.one(wanted)).is_running
    assert not down.repair_pending


async def test_a_stop_is_final(device, web):
    """The restart policy does not undo what the daemon stops."""
    container = await device.running(replica(web, command=SLEEP))
    await device.runtime.stop(container.id, is_immediate=True)
    time.sleep(1)
    assert not (await device.one(replica(web))).is_running


async def test_a_replica_whose_monitor_died_is_made_anew(device, web):
    """Podman says "Up" for ever; the kernel knows better."""
    wanted = replica(web, command=SLEEP)
    lost = await device.running(wanted)
    os.kill(device.conmon(lost), signal.SIGKILL)
    os.kill(lost.pid, signal.SIGKILL)
    time.sleep(0.1)
    assert (await device.one(wanted)).is_lost
    device.history = {}
    fresh = await device.running(wanted)
    assert fresh.is_running
    assert fresh.id != lost.id


async def test_a_paused_container_is_brought_back(device, web):
    """Drift is repaired, whoever caused it."""
    wanted = replica(web, command=SLEEP)
    paused = await device.running(wanted)
    device.box.podman("pause", paused.id)
    assert (await device.running(wanted)).is_running


async def test_a_removed_container_is_made_again(device, web):
    """Level-triggered: what is missing is missing, whoever took it."""
    wanted = replica(web, command=SLEEP)
    gone = await device.running(wanted)
    device.box.podman("rm", "--force", "--time=0", gone.id)
    assert (await device.running(wanted)).id != gone.id


async def test_a_look_touches_nothing_that_runs(device, web):
    """A second daemon adopts what the first one started."""
    wanted = replica(web, command=SLEEP)
    first = await device.running(wanted)
    second = Device(device.box)
    assert (await second.plan(wanted)).actions == ()
    assert (await second.one(wanted)).life == first.life


async def test_secrets_are_readable_by_the_container_user_alone(device, box):
    """0400, owned by the user the image names, from its own /etc/passwd."""
    image = signed(
        box.make_image("localhost/user:1", "USER web", "CMD " + words(SLEEP))
    )
    secrets = {"token": "/run/secrets/token"}
    wanted = with_secrets(image, secrets)
    container = await device.running(wanted)
    path = "/run/secrets/token"
    (shown,) = device.box.podman("exec", container.id, "ls", "-ln", path).splitlines()
    assert shown.split()[:4] == ["-r--------", "1", "1234", "2345"]
    read = device.box.podman("exec", container.id, "cat", path)
    assert read.encode() == VALUES["token"]


def with_secrets(image: Image, secrets: dict[str, str], version: str = "p") -> Replica:
    """Return a replica that has secrets."""
    workload = Workload(name="web", image=image, secrets=secrets, command=SLEEP)
    return a_replica(workload=workload, secrets=version)


async def test_a_new_value_reaches_the_running_container(device, web):
    """What is mounted is the folder; a rename in it is seen inside."""
    secrets = {"token": "/run/secrets/token"}
    before = await device.running(with_secrets(web, secrets))
    await device.settle(with_secrets(web, secrets, "q"), values={"token": b"new"})
    after = await device.one(with_secrets(web, secrets))
    assert device.box.podman("exec", after.id, "cat", secrets["token"]) == "new"
    assert after.life == before.life


async def test_a_container_cannot_write_its_secrets(device, web):
    """Root inside included."""
    container = await device.running(with_secrets(web, {"token": "/run/secrets/token"}))
    script = "rm -f /run/secrets/token || touch /run/secrets/x"
    code = await device.runtime.execute(container.id, ["sh", "-c", script], within=5)
    assert code != 0


async def test_a_value_is_nowhere_but_in_the_vault(device, web):
    """Not in what Podman shows or stores, nor in any process's words."""
    container = await device.running(with_secrets(web, {"token": "/run/secrets/token"}))
    value = VALUES["token"]
    assert value not in device.box.podman("inspect", container.id).encode()
    for pid in (container.pid, workload_pid(container), device.conmon(container)):
        for name in ("environ", "cmdline"):
            assert value not in Path(f"/proc/{pid}/{name}").read_bytes()
    disk = run("grep", "-rlF", value.decode(), *map(str, stored(device.box)), ok=(1,))
    assert disk == ""


def stored(box: PodmanBox) -> list[Path]:
    """Return Podman's own folders; the merged view of a container has the mount."""
    merged = {"overlay"}
    root = [each for each in (box.folder / "root").iterdir() if each.name not in merged]
    layers = list((box.folder / "root/overlay").glob("*/diff"))
    return [*root, *layers, box.folder / "run", box.folder / "tmp"]


async def test_a_wiped_replica_leaves_no_secret(device, web):
    """It goes with the container."""
    await device.settle(with_secrets(web, {"token": "/run/secrets/token"}))
    await device.settle()
    assert list(device.vault.root.iterdir()) == []


async def test_secrets_of_an_unknown_user_are_refused(device, web):
    """Rather than given to somebody."""
    workload = Workload(name="web", image=web, user="nobody-here", command=SLEEP)
    wanted = a_replica(workload=workload)
    await device.runtime.create(wanted)
    with pytest.raises(RuntimeFailure, match="nobody-here"):
        await device.runtime.owner(container_spec.name(wanted))


async def test_a_command_probe_runs_inside(device, web):
    """Its exit code comes back."""
    container = await device.running(replica(web, command=SLEEP))
    code = await device.runtime.execute(container.id, ["sh", "-c", "exit 3"], within=5)
    assert code == 3


async def test_a_command_that_hangs_is_not_piled_up(device, web):
    """The next probe says so instead of starting another."""
    container = await device.running(replica(web, command=SLEEP))
    with pytest.raises(Unreachable, match="nothing came"):
        await device.runtime.execute(container.id, ["sleep", "60"], within=0.5)
    with pytest.raises(RuntimeFailure, match="has not ended"):
        await device.runtime.execute(container.id, ["true"], within=5)


async def test_the_service_leaves_when_it_is_not_needed(device, web):
    """No connection is kept: idle, the device holds no 40 MB service."""
    await device.settle(replica(web))
    assert device.box.is_serving
    await until(lambda: not device.box.is_serving, IDLE_AFTER + 3)


# podman-py leaves its socket open when nobody answers.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_nobody_at_the_socket_is_a_temporary_failure(tmp_path):
    """With the address and what to check."""
    host = Host(fleet="f", node="n", architecture="amd64", secrets="/x")
    runtime = PodmanRuntime(f"unix://{tmp_path}/podman.sock", host)
    with pytest.raises(Unreachable, match=r"podman\.socket"):
        await runtime.observe(())
    gc.collect()


async def test_a_container_that_is_gone_may_be_stopped_and_removed(device):
    """Somebody else was quicker: that is what was wanted."""
    gone = "f" * 64
    await device.runtime.stop(gone, is_immediate=True)
    await device.runtime.remove(gone)


@pytest.fixture(scope="module")
def pushed(box) -> Image:
    """An image that only the registry has, pinned by what the registry answers."""
    registry = box.start_registry()
    image_id = box.make_image(
        "localhost/pulled:1", "CMD " + words(SLEEP), "ENV P=1"
    ).strip()
    digest_file = box.folder / "digest"
    box.podman(
        "push", "-q", f"--digestfile={digest_file}", image_id, f"{registry}/pulled:1"
    )
    box.podman("rmi", "--force", image_id)
    digest = digest_file.read_text().strip()
    platform = PlatformImage(
        architecture=facts.architecture(), manifest=digest, image_id=image_id
    )
    return Image(reference=f"{registry}/pulled", digest=digest, platforms=(platform,))


async def test_a_pulled_image_is_the_signed_one_and_runs(device, pushed):
    """By its digest; the container is made from its ID."""
    plan = await device.plan(replica(pushed))
    assert [type(action) for action in plan.actions] == [Pull]
    container = await device.running(replica(pushed))
    assert container.image_id == pushed.platforms[0].image_id


async def test_an_image_that_differs_is_refused_and_removed(device, pushed):
    """The registry answered with what nobody signed for this machine."""
    device.box.podman("rmi", "--force", pushed.platforms[0].image_id)
    other = msgspec.structs.replace(pushed.platforms[0], image_id="sha256:" + "e" * 64)
    with pytest.raises(TrustError, match="was signed") as caught:
        await device.runtime.pull(pushed, other)
    assert caught.value.reason == "image-differs"
    assert pushed.digest not in device.box.podman("images", "--digests")


async def test_a_registry_that_is_away_is_a_temporary_failure(device, pushed):
    """Podman's answer is 200; its last line tells."""
    away = msgspec.structs.replace(pushed, reference="127.0.0.1:5999/pulled")
    with pytest.raises(RuntimeFailure, match="refused"):
        await device.runtime.pull(away, away.platforms[0])


async def test_an_image_that_vanished_is_noticed(device, web):
    """Somebody pruned: the failed creation makes the next look ask again."""
    wanted = replica(signed(device.box.make_image("localhost/brief:1", "ENV B=1")))
    image_id = wanted.workload.image.digest
    assert image_id in (await device.look(wanted)).images
    device.box.podman("rmi", "--force", image_id)
    with pytest.raises(RuntimeFailure, match="image not known"):
        await device.runtime.create(wanted)
    assert (await device.look(wanted)).images == frozenset()


async def test_the_store_is_where_images_are(device):
    """Disk space is measured there."""
    assert await device.runtime.store() == device.box.folder / "root"


async def test_an_unhealthy_replica_is_restarted(device, web):
    """Killed, then started: it may be deaf to its stop signal."""
    health = Health(tcp=":80", every=1.0)
    wanted = replica(web, health=health, command=SLEEP)
    await device.runtime.create(wanted)
    await device.runtime.start(container_spec.name(wanted))
    sick = await device.one(wanted)
    await device.plan(wanted)
    plan = await device.plan(wanted, verdicts={sick.life: "unhealthy"})
    for action in plan.actions:
        await perform.perform(action, device.runtime, device.vault, {})
    assert isinstance(plan.actions[0], Stop)
    assert (await device.one(wanted)).life != sick.life


async def test_two_creations_of_one_name_make_one_container(device, web):
    """A request that is made twice does no harm."""
    wanted = replica(web)
    create = Create(replica=wanted, container=container_spec.name(wanted), reason="x")
    await perform.perform(create, device.runtime, device.vault, {})
    with pytest.raises(RuntimeFailure, match="already in use"):
        await perform.perform(create, device.runtime, device.vault, {})
    assert len((await device.look(wanted)).containers) == 1
