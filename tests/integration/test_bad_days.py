"""What goes wrong around a fleet: nothing half-done, and it heals by itself.

One lab for the module. Each test leaves the fleet healthy, at a revision of its own.
"""

import json
import os
import shutil
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from edge.lab import registry, state
from tests.support import hands, labs
from tests.support.labs import Lab, wait

NODES = ("n1", "n2", "n3")
WEB = """
name = "web"

[workload.web]
image = "REGISTRY/IMAGE"
ports = ["8080:80"]
replicas = 3
health = { http = "http://:80/", every = "1s" }
"""
LOOP = """
name = "loop"

[workload.loop]
image = "REGISTRY/web:1"
command = COMMAND
init = false
stop_after = "1s"
"""
ODD = """
name = "odd"

[workload.host]
image = "REGISTRY/web:1"
command = ["httpd", "-f", "-p", "8088", "-h", "/www"]
env = { ROUND = "NUMBER" }
network = "host"
stop_after = "1s"
health = { http = "http://:8088/healthz", every = "1s" }

[workload.keeper]
image = "REGISTRY/web:1"
env = { ROUND = "NUMBER" }
volumes = ["data:/data"]
require = { role = "keeper" }
health = { command = ["cat", "/etc/version"], every = "1s" }

[workload.stubborn]
image = "REGISTRY/web:1"
command = ["sh", "-c", "trap : TERM; while :; do sleep 1; done"]
init = false
stop_after = "1s"

[workload.user]
image = "REGISTRY/web:user"
every = "role=keeper"
secrets = { token = "/run/secrets/token" }
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices that serve web."""
    with labs.lab(tmp_path_factory.mktemp("days"), "--nodes", "3") as lab:
        lab.edgectl("deploy", web(lab, "web:1"), "--yes")
        yield lab


def web(lab: Lab, image: str) -> str:
    """Return the path of web's manifest with an image."""
    return lab.manifest("web", WEB.replace("IMAGE", image))


def revision(lab: Lab) -> int:
    """Return the newest revision of web that runs anywhere."""
    return max(row["revision"] for row in lab.rows("ps") if row["deployment"] == "web")


def works(lab: Lab, version: int) -> bool:
    """Whether the hub shows three healthy replicas of web at a version."""
    rows = [row for row in lab.rows_or_none("ps") if row["deployment"] == "web"]
    good = [row for row in rows if row["healthy"] and row["revision"] == version]
    return len(rows) == len(good) == len(NODES)


def lives(lab: Lab) -> list[str]:
    """Return id and pid of every container of web, in the order of devices."""
    form = "--format '{{.ID}} {{.Pid}}' --filter label=tutti.deployment=web"
    return [lab.run(node, f"podman ps --no-trunc {form}") for node in NODES]


def places(lab: Lab) -> dict[str, str]:
    """Return replica → node, as the hub has them."""
    return {
        f"{row['deployment']}/{row['replica']}": row["node"] for row in lab.rows("ps")
    }


def image(lab: Lab, name: str, says: str) -> None:
    """Push an image that no device has: a web server that says something new."""
    root = lab.folder / name.replace(":", "-")
    for folder in ("bin", "www", "proc", "sys", "dev", "etc", "tmp", "run"):
        (root / folder).mkdir(parents=True)
    shutil.copyfile("/bin/busybox", root / "bin" / "httpd")
    (root / "bin" / "httpd").chmod(0o755)
    (root / "www" / "index.html").write_text(says)
    words = ("/bin/httpd", "-f", "-p", "80", "-h", "/www")
    commands = (word for each in words for word in ("--command", each))
    lab.lab("image", str(root), name, *commands)


def test_a_dead_hub_stops_no_device(fleet):
    """Exit code 5 with advice; afterwards everything is where it was."""
    before, where = lives(fleet), places(fleet)
    fleet.lab("kill", "hub")
    asked = (("ps",), ("deploy", web(fleet, "web:2"), "--yes"))
    with ThreadPoolExecutor() as threads:
        for done in threads.map(lambda words: fleet.edgectl(*words, code=5), asked):
            assert f"cannot reach https://{fleet.prefix}.2:8443" in done.stderr
            assert "devices play on without it" in done.stderr
    assert all(fleet.fetch(node) for node in NODES)
    booted_at = time.time()
    fleet.lab("boot", "hub")
    wait(
        lambda: heard(fleet) > booted_at and works(fleet, 1),
        "the hub to hear of every device",
    )
    assert (lives(fleet), places(fleet)) == (before, where)


def heard(lab: Lab) -> float:
    """Return when the device was heard of that was silent for the longest time."""
    rows = lab.rows_or_none("get", "nodes")
    return min((row["last_seen"] for row in rows), default=0.0)


def test_a_deploy_without_a_broker_completes_by_itself(fleet):
    """Exit code 7: what was signed arrives as soon as there is a way."""
    fleet.lab("kill", "broker")
    words = ("deploy", web(fleet, "web:2"), "--yes", "--timeout", "2s")
    assert "it goes on" in fleet.edgectl(*words, code=7).stderr
    assert all(fleet.fetch(node).startswith("web 1") for node in NODES)
    fleet.lab("boot", "broker")
    wait(lambda: works(fleet, 2), "the deploy to complete")
    assert all(fleet.fetch(node).startswith("web 2") for node in NODES)


def test_a_registry_that_goes_away_delays_a_deploy(fleet):
    """The devices say why, the old revision serves, and it completes by itself."""
    image(fleet, "fresh:1", says="fresh")
    daemons = [hands.daemon(fleet, node) for node in NODES]
    layout = state.load(fleet.name, fleet.folder / "labs")
    record = json.loads((fleet.state / "processes" / "registry").read_bytes())
    for pid in daemons:
        os.kill(pid, signal.SIGSTOP)
    try:
        words = ("deploy", web(fleet, "fresh:1"), "--yes", "--timeout", "1s")
        fleet.edgectl(*words, code=7)
        os.kill(record["pid"], signal.SIGTERM)
        wait(lambda: not registry.answers(layout), "the registry to be gone")
    finally:
        for pid in daemons:
            os.kill(pid, signal.SIGCONT)
    try:
        wait(
            lambda: fleet.edgectl("ps").stdout.count("cannot pull") == len(NODES),
            "every device to say why",
        )
        assert "connection refused" in fleet.run("n1", "edge-node status")
        assert all(fleet.fetch(node).startswith("web 2") for node in NODES)
    finally:
        registry.start(layout)
        registry.wait(layout)
    wait(lambda: works(fleet, 3), "the deploy to complete")
    assert {fleet.fetch(node) for node in NODES} == {"fresh"}


def test_a_port_is_given_out_once(fleet):
    """The second deployment is refused, with the reason for each device."""
    words = ("deploy", fleet.manifest("rival", rival(1)), "--yes")
    done = fleet.edgectl(*words, code=6)
    for node in NODES:
        assert f"({node})" in done.stderr
    assert "port 8080/tcp is taken by web/web." in done.stderr
    assert "nothing was signed" in done.stderr
    assert "rival" not in {row["deployment"] for row in fleet.rows("ps")}


def rival(replicas: int) -> str:
    """Return a manifest that wants web's port."""
    text = WEB.replace('"web"', '"rival"').replace("IMAGE", "web:1")
    return text.replace("replicas = 3", f"replicas = {replicas}")


def test_a_restarted_daemon_gives_its_ports_back(fleet):
    """Podman listens on them for us; that is no program of the device's own."""
    for node in NODES:
        hands.end_daemon(fleet, node)
        fleet.lab("start", node)
    wait(lambda: works(fleet, revision(fleet)), "the daemons to report")
    fleet.edgectl("delete", "web")
    fleet.edgectl("deploy", fleet.manifest("rival", rival(3)), "--yes")
    fleet.edgectl("delete", "rival")
    fleet.edgectl("deploy", web(fleet, "web:1"), "--yes")


def loop(lab: Lab, command: str) -> str:
    """Return the path of a manifest whose container runs a command."""
    return lab.manifest("loop", LOOP.replace("COMMAND", command))


def test_a_crash_loop_backs_off_and_blocks_nothing(fleet):
    """Exit code 6 says how it ended; a newer revision starts at once."""
    ending = loop(fleet, '["sh", "-c", "exit 3"]')
    done = fleet.edgectl("deploy", ending, "--yes", code=6)
    assert "restarts" in done.stderr
    node = places(fleet)["loop/loop.1"]
    wait(
        lambda: "trying again after 4 s" in fleet.run(node, "edge-node status"),
        "the pauses to have doubled twice",
    )
    assert "exit code 3" in fleet.run(node, "edge-node status")
    began = time.monotonic()
    fleet.edgectl("deploy", loop(fleet, '["sleep", "600"]'), "--yes")
    assert time.monotonic() - began < 4
    fleet.edgectl("delete", "loop")


def test_odd_workloads(fleet):
    """Host network, exec probe, volume, deaf to SIGTERM, another user's secret."""
    fleet.edgectl("node", "label", "n2", "role=keeper")
    words = ("secret", "set", "odd/token", "--from-file", "-", "--yes")
    fleet.edgectl(*words, given="for-uid-1000")
    fleet.edgectl("deploy", odd(fleet, 1), "--yes")
    where = places(fleet)
    host = where["odd/host.1"]
    assert fleet.fetch(host, "/healthz", port=8088) == "ok"
    inside(fleet, "keeper", "echo kept > /data/file")
    fleet.edgectl("deploy", odd(fleet, 2), "--yes")
    assert inside(fleet, "keeper", "cat /data/file; echo $ROUND") == "kept\n2"
    assert places(fleet) == where


def odd(lab: Lab, number: int) -> str:
    """Return the path of one round of the odd workloads' manifest."""
    return lab.manifest("odd", ODD.replace("NUMBER", str(number)))


def inside(lab: Lab, workload: str, command: str, node: str = "n2") -> str:
    """Run a shell command inside a container of the odd deployment."""
    form = f"podman ps -q --filter label=tutti.workload={workload}"
    return lab.run(node, f"podman exec $({form}) sh -c '{command}'")


def test_a_secret_belongs_to_the_images_user(fleet):
    """0400, of uid 1000, readable to it and to nobody else."""
    look = "busybox stat -c %a.%u.%g /run/secrets/token; id -u"
    shown = inside(fleet, "user", look.replace("id -u", "busybox id -u"))
    assert shown == "400.1000.1000\n1000"
    assert inside(fleet, "user", "cat /run/secrets/token") == "for-uid-1000"


def test_who_ignores_the_stop_signal_gets_as_long_as_was_signed(fleet):
    """One second, not Podman's ten."""
    began = time.monotonic()
    fleet.edgectl("delete", "odd")
    assert 1 <= time.monotonic() - began < 5
    assert not any(fleet.containers(node, "odd") for node in NODES)


def test_a_hub_from_yesterdays_backup_gets_back_what_it_lost(fleet):
    """A deploy is newer than its database: the devices hand it in, nothing restarts."""
    database = next(fleet.machine("hub").rglob("hub.db"))
    yesterday = fleet.folder / "yesterday.db"
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("VACUUM INTO ?", [str(yesterday)])
    version = revision(fleet) + 1
    other = "web:2" if fleet.fetch("n1").startswith("web 1") else "web:1"
    fleet.edgectl("deploy", web(fleet, other), "--yes")
    wait(lambda: works(fleet, version), "the deploy to complete")
    before, where = lives(fleet), places(fleet)
    fleet.lab("kill", "hub")
    for each in database.parent.glob("hub.db*"):
        each.unlink()
    shutil.copy(yesterday, database)
    fleet.lab("boot", "hub")
    wait(lambda: "resumed" in told(fleet), "the hub to have what it lost")
    wait(lambda: works(fleet, version), "the hub to know what runs")
    assert (lives(fleet), places(fleet)) == (before, where)
    assert not told(fleet) & {"lost", "doubted"}


def told(lab: Lab) -> set[str]:
    """Return the kinds of events that the hub keeps."""
    said = lab.edgectl("events", "-o", "json", code=None).stdout
    return {json.loads(line)["kind"] for line in said.splitlines()}


def test_the_fleet_is_well_after_all_this(fleet):
    """Nothing of it left a trace that anybody has to look after."""
    assert works(fleet, revision(fleet))
    shown = fleet.edgectl("doctor", code=None).stdout
    assert "3 of 3 are ready" in shown
    assert "3 of 3 are healthy" in shown
    assert not list(Path(fleet.state / "machines").glob("n*/state/damaged"))
