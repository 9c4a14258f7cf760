"""What Podman was told is what the kernel enforces: by /proc and the control groups."""

import time
from pathlib import Path

from edge.model import MIB, Port, Resources, Security, Volume
from node import container_spec
from tests.support.podman_device import SLEEP, replica, until, workload_pid


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


async def test_logs_are_bounded(device, web):
    """A chatty workload must not fill the disk."""
    script = "head -c 4000000 /dev/zero | tr '\\0' x | fold -w 80; sleep 1000"
    container = await device.running(replica(web, command=("sh", "-c", script)))
    path = device.box.podman(
        "inspect", "--format={{.HostConfig.LogConfig.Path}}", container.id
    )
    time.sleep(1)
    assert 0 < Path(path.strip()).stat().st_size <= 1.1 * container_spec.LOG_BYTES
