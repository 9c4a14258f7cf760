"""A whole fleet on real parts: what issue-readers call the spine.

One lab for the module; the tests tell one story, in order.
"""

import base64
import os
import re
import signal
from pathlib import Path

import pytest

from tests.support import labs
from tests.support.labs import Lab, wait

SECRET = "correct-horse-battery-staple-7151"

WEB = """
name = "web"

[workload.web]
image = "REGISTRY/web:1"
ports = ["8080:80"]
env = { GREETING = "hello" }
replicas = 3
failover = "available"
resources = { memory = "32MiB", cpus = 0.25 }
health = {
  http = "http://:80/healthz",
  every = "1s",
  fail_after = 3,
}
"""
SENSOR = """
name = "sensor"

[workload.reader]
image = "REGISTRY/web:1"
every = "role=sensor"
failover = "none"
secrets = { token = "/run/secrets/token" }
"""
NODES = ("n1", "n2", "n3")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices that enrolled by themselves."""
    with labs.lab(tmp_path_factory.mktemp("fleet"), "--nodes", "3") as lab:
        yield lab


def pids(lab: Lab, program: str, machine: str) -> list[int]:
    """Return the processes of a program that the lab started on a machine."""
    home = str(lab.machine(machine))
    found = []
    for pid in processes():
        words = content(Path("/proc", pid, "cmdline")).split(b"\0")
        line = b" ".join(words).decode(errors="replace")
        if program in line and home in line:
            found.append(int(pid))
    return found


def status_of(lab: Lab, container: str, node: str) -> dict[str, str]:
    """Return /proc/PID/status of a container's first process."""
    pid = lab.run(node, f"podman inspect -f '{{{{.State.Pid}}}}' {container}")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_devices_enrol_by_themselves(fleet):
    """Three devices are ready, each with its name, site and address."""
    rows = fleet.rows("get", "nodes")
    assert [row["name"] for row in rows] == list(NODES)
    assert {row["state"] for row in rows} == {"ready"}
    assert [row["address"] for row in rows] == [fleet.address(n) for n in NODES]
    keys = [
        "name",
        "id",
        "site",
        "labels",
        "state",
        "address",
        "revisions",
        "last_seen",
    ]
    assert list(rows[0]) == keys


def test_a_deploy_runs_everywhere(fleet):
    """Three healthy replicas on three devices, each answering on its device."""
    fleet.edgectl("deploy", fleet.manifest("web", WEB), "--yes")
    rows = fleet.rows("ps")
    assert sorted(row["node"] for row in rows) == list(NODES)
    assert all(row["healthy"] and row["state"] == "running" for row in rows)
    keys = "deployment workload replica revision node site state healthy address since"
    assert list(rows[0]) == keys.split()
    assert all("1" in fleet.fetch(node) for node in NODES)


def test_the_same_deploy_again_changes_nothing(fleet):
    """The second run keeps every container."""
    before = [fleet.containers(node, "web") for node in NODES]
    fleet.edgectl("deploy", fleet.manifest("web", WEB), "--yes")
    assert [fleet.containers(node, "web") for node in NODES] == before
    assert {row["revision"] for row in fleet.rows("ps")} == {1}


def test_containers_are_hardened(fleet):
    """The kernel's word, not the call's: no capabilities, no new ones, seccomp."""
    (container,) = fleet.containers("n1", "web")
    status = status_of(fleet, container, "n1")
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"


def test_limits_reach_the_kernel(fleet):
    """32 MiB of memory, as the cgroup says."""
    (container,) = fleet.containers("n1", "web")
    pid = fleet.run("n1", f"podman inspect -f '{{{{.State.Pid}}}}' {container}")
    groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    by_name = {line.split(":")[1]: line.split(":")[2] for line in groups}
    if "memory" in by_name:
        limit = Path(f"/sys/fs/cgroup/memory{by_name['memory']}/memory.limit_in_bytes")
    else:
        limit = Path(f"/sys/fs/cgroup{by_name['']}/memory.max")
    assert int(limit.read_text()) == 32 * 1024 * 1024


def test_a_secret_reaches_labelled_devices_only(fleet):
    """Set, label, deploy: n1 reads it, n2 and n3 never see the workload."""
    fleet.edgectl("node", "label", "n1", "role=sensor")
    words = ("secret", "set", "sensor/token", "--from-file", "-", "--yes")
    fleet.edgectl(*words, given=SECRET)
    fleet.edgectl("deploy", fleet.manifest("sensor", SENSOR), "--yes")
    rows = [row for row in fleet.rows("ps") if row["deployment"] == "sensor"]
    assert [row["node"] for row in rows] == ["n1"]
    (container,) = fleet.containers("n1", "sensor")
    read = fleet.run("n1", f"podman exec {container} cat /run/secrets/token")
    assert read == SECRET


def is_inside(needle: bytes, content: bytes, depth: int = 4) -> bool:
    """Return whether a value is in some bytes, or in base64 in base64 in them."""
    if needle in content:
        return True
    words = re.findall(rb"[A-Za-z0-9_-]{40,}", content) if depth else []
    return any(is_inside(needle, _decoded(word), depth - 1) for word in words)


def _decoded(word: bytes) -> bytes:
    whole = word[: len(word) - (len(word) % 4 == 1)]
    return base64.urlsafe_b64decode(whole + b"=" * (-len(whole) % 4))


def content(path: Path) -> bytes:
    """Return a file's bytes, none when the running fleet removed it meanwhile."""
    try:
        return path.read_bytes()
    except OSError:  # also what a process that just ended gives
        return b""


def processes() -> list[str]:
    """Return the numbers of all processes of this host."""
    return [each.name for each in Path("/proc").iterdir() if each.name.isdigit()]


def test_the_search_for_the_secret_finds_it():
    """Plain, and wrapped as documents wrap each other."""
    wrapped = b'{"payload":"%s"}' % base64.urlsafe_b64encode(
        b'{"box":"%s"}' % base64.urlsafe_b64encode(b"x" * 30 + SECRET.encode())
    ).rstrip(b"=")
    assert is_inside(SECRET.encode(), wrapped)
    assert not is_inside(b"something else", wrapped)


def test_the_secret_is_nowhere_else(fleet):
    """Not on any disk, in any process's words, in what Podman shows.

    The broker's disk has every retained message; in documents it may be wrapped.
    """
    needle = SECRET.encode()
    database = next(fleet.machine("hub").rglob("mosquitto.db"), None)
    for pid in pids(fleet, "mosquitto", "hub"):
        os.kill(pid, signal.SIGUSR1)  # mosquitto(8): write the database now
    files = [path for path in fleet.state.rglob("*") if path.is_file()]
    assert not [path for path in files if needle in content(path)]
    messages = [*fleet.machine("hub").rglob("*"), *fleet.machine("n1").rglob("*.json")]
    messages = [path for path in messages if path.is_file()]
    assert database is None or database in messages
    assert not [path for path in messages if is_inside(needle, content(path))]
    for number in processes():
        for words in ("cmdline", "environ"):
            assert needle not in content(Path("/proc", number, words)), (number, words)
    (container,) = fleet.containers("n1", "sensor")
    shown = fleet.run("n1", f"podman inspect {container}; podman logs {container}")
    assert SECRET not in shown


def test_a_rotated_secret_arrives_without_a_restart(fleet):
    """A new version replaces the file in the running container."""
    (before,) = fleet.containers("n1", "sensor")
    words = ("secret", "set", "sensor/token", "--from-file", "-", "--yes")
    fleet.edgectl(*words, given="rotated")
    command = f"podman exec {before} cat /run/secrets/token"
    wait(lambda: fleet.run("n1", command) == "rotated", "the rotated secret")
    assert fleet.containers("n1", "sensor") == [before]


def test_a_crash_is_repaired(fleet):
    """A killed container answers again on the same device."""
    (container,) = fleet.containers("n2", "web")
    pid = fleet.run("n2", f"podman inspect -f '{{{{.State.Pid}}}}' {container}")
    os.kill(int(pid), signal.SIGKILL)
    wait(lambda: fleet.fetch("n2"), "n2 to answer again")
    assert fleet.containers("n2", "web") == [container]


def test_drift_is_repaired(fleet):
    """A container somebody removed is made again."""
    (container,) = fleet.containers("n3", "web")
    fleet.run("n3", f"podman rm -f {container}")
    wait(lambda: fleet.fetch("n3"), "n3 to answer again")
    assert fleet.containers("n3", "web") != [container]


def test_a_foreign_container_is_left_alone(fleet):
    """What carries no label of ours is not ours."""
    image = f"{fleet.registry}/web:1"
    fleet.run("n3", f"podman run -d --name stranger --network host {image} sleep 600")
    fleet.run("n3", f"podman rm -f {fleet.containers('n3', 'web')[0]}")
    wait(lambda: fleet.fetch("n3"), "n3 to answer again")
    assert "stranger" in fleet.run("n3", "podman ps --format '{{.Names}}'")
    fleet.run("n3", "podman rm -f -t 0 stranger")


def test_telemetry_is_plain_json_for_dashboards(fleet):
    """A viewer's certificate and mosquitto_sub see every device."""
    files = fleet.folder / "wall"
    fleet.edgectl("mqtt", "certificate", "wall", "--folder", str(files))
    shown = fleet.run(
        "n1",
        f"mosquitto_sub -V 311 -h {fleet.prefix}.3 -p 8883 --cafile {files}/ca.crt "
        f"--cert {files}/wall.crt --key {files}/wall.key "
        f"-t 'edge/v1/{fleet.name}/nodes/+/status' -C 3 -W 10",
    )
    assert shown.count("online") == 3


def test_a_restarted_daemon_adopts_its_containers(fleet):
    """Kill -9 of edge-node touches no container."""
    before = fleet.containers("n1", "web")
    started = fleet.run(
        "n1", f"podman inspect -f '{{{{.State.StartedAt}}}}' {before[0]}"
    )
    for pid in pids(fleet, "node.cli", "n1"):
        os.kill(pid, signal.SIGKILL)
    fleet.lab("start", "n1")
    wait(lambda: pids(fleet, "node.cli", "n1"), "the daemon to start")
    fleet.edgectl("deploy", fleet.manifest("web", WEB), "--yes")
    again = fleet.run("n1", f"podman inspect -f '{{{{.State.StartedAt}}}}' {before[0]}")
    assert again == started


def test_a_wiped_broker_is_filled_again(fleet):
    """Kill -9 and an empty database: the fleet heals and no container restarts."""
    before = [fleet.containers(node, "web") for node in NODES]
    database = next(fleet.machine("hub").rglob("mosquitto.db"), None)
    brokers = pids(fleet, "mosquitto", "hub")
    assert brokers
    for pid in brokers:
        os.kill(pid, signal.SIGKILL)
    if database is not None:
        database.unlink(missing_ok=True)
    fleet.edgectl("node", "label", "n2", "healed=yes")
    wait(
        lambda: "healed" in fleet.run("n2", "edge-node status"),
        "n2 to hear the hub again",
    )
    assert [fleet.containers(node, "web") for node in NODES] == before


def test_an_offline_reboot_runs_what_ran(fleet):
    """Power cut, no hub, no broker: n2 runs web again."""
    fleet.lab("kill", "n2")
    fleet.lab("cut", "hub")
    fleet.lab("cut", "broker")
    assert not fleet.fetch("n2")
    fleet.lab("boot", "n2")
    wait(lambda: fleet.fetch("n2"), "n2 to answer without hub and broker")
    fleet.lab("heal", "hub")
    fleet.lab("heal", "broker")
    wait(
        lambda: all(row["healthy"] for row in fleet.rows("ps")),
        "the hub to hear of it",
    )


def test_what_cannot_be_placed_says_why(fleet):
    """More memory than any device has: exit code 6 and a reason per device."""
    big = WEB.replace('"web"', '"big"').replace("32MiB", "9000GiB")
    big = big.replace("8080", "8090")
    done = fleet.edgectl("deploy", fleet.manifest("big", big), "--yes", code=6)
    assert "n1" in done.stderr
    assert "needs 9000 GiB" in done.stderr


def test_a_missing_image_is_refused_before_signing(fleet):
    """The registry's no is the answer, and nothing is deployed."""
    wrong = WEB.replace("web:1", "nothing:1").replace('"web"', '"wrong"')
    done = fleet.edgectl("deploy", fleet.manifest("wrong", wrong), "--yes", code=1)
    assert "nothing:1" in done.stderr
    assert "wrong" not in {row["deployment"] for row in fleet.rows("ps")}


def test_a_deleted_deployment_is_gone(fleet):
    """The tombstone reaches every device."""
    fleet.edgectl("delete", "web")
    wait(
        lambda: not any(fleet.containers(node, "web") for node in NODES),
        "the containers to be gone",
    )
    assert "web" not in {row["deployment"] for row in fleet.rows("ps")}


def test_a_revoked_device_is_out(fleet):
    """Its workloads end and it is shown as revoked."""
    fleet.edgectl("node", "revoke", "n1", "--yes")
    wait(lambda: not fleet.containers("n1", "sensor"), "n1 to stop its work")
    states = {row["name"]: row["state"] for row in fleet.rows("get", "nodes")}
    assert states["n1"] == "revoked"


def test_events_tell_what_was_decided(fleet):
    """The hub's log and the device's own tell the story."""
    assert "deployment/web" in fleet.edgectl("events").stdout
    shown = fleet.run("n2", "edge-node events")
    assert "start web.2" in shown or "start web." in shown
