"""A bad version on a real device: it goes back by itself, hub or no hub.

One lab for the module. Each test releases a version of its own, and leaves the device
well at a good one.
"""

import sqlite3
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import msgspec
import pytest

from edge.documents import Report
from tests.support import builders, labs, sites
from tests.support.labs import Lab, wait
from tests.support.revisions import release

WEB = """
name = "web"

[workload.web]
image = "REGISTRY/web:1"
ports = ["8080:80"]
replicas = 1
failover = "none"
health = { http = "http://:80/healthz", every = "200ms", fail_after = 3 }
"""
QUIET = """
name = "quiet"

[workload.quiet]
image = "REGISTRY/web:1"
replicas = 1
failover = "none"
health = { http = "http://:80/healthz", every = "200ms", fail_after = 3 }
"""
SHORT = {"healthy_for": 1.0, "progress_deadline": 8.0}
SLOWER = {"healthy_for": 1.0, "progress_deadline": 30.0}
SAYS = "echo this version does not work; exec httpd -f -p 80 -h /www"
LATE = {
    "command": ["sh", "-c", "httpd -p 80 -h /www; sleep 3; touch /tmp/ok; sleep 1000"],
    "health": {
        "command": ["sh", "-c", "[ -f /tmp/ok ]"],
        "every": 0.5,
        "fail_after": 60,
    },
}
BROKEN = {
    "command": ["sh", "-c", SAYS],
    "health": {"http": "http://:80/nowhere", "every": 0.2, "fail_after": 3},
}
HANGS = {
    "command": ["sleep", "1000"],
    "health": {"http": "http://:80/", "every": 0.2, "start_period": 600.0},
}
BACK_WITHIN = 30.0


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """One device that runs version 1 of both."""
    with labs.lab(tmp_path_factory.mktemp("trials"), "--nodes", "1") as lab:
        lab.edgectl("deploy", lab.manifest("web", WEB), "--yes")
        lab.edgectl("deploy", lab.manifest("quiet", QUIET), "--yes")
        yield lab


def shown(lab: Lab, slot: str) -> dict[str, Any]:
    """Return how the device says a slot is doing."""
    found = sites.status(lab, "n1").get("replicas", ())
    return next((each for each in found if each["slot"] == slot), {})


def runs(lab: Lab, slot: str) -> int:
    """Return the version that is healthy in a slot, 0 for none."""
    replica = shown(lab, slot)
    return replica.get("version", 0) if replica.get("healthy") else 0


def is_on_trial(lab: Lab, slot: str, version: int) -> bool:
    """Whether the device watches a version whose container has begun."""
    watched = sites.status(lab, "n1").get("trials", ())
    named = any(each["slot"] == slot for each in watched)
    begun = shown(lab, slot).get("state") not in {None, "pulling", "waiting"}
    return named and begun and shown(lab, slot)["version"] == version


def bad(lab: Lab, slot: str, version: int) -> dict[str, Any]:
    """Return what the device says of a version that failed in a slot."""
    found = sites.status(lab, "n1").get("bad", ())
    named = [each for each in found if each["slot"] == slot]
    return next((each for each in named if each["version"] == version), {})


def lives(lab: Lab, deployment: str) -> list[str]:
    """Return revision, id and pid of every container of a deployment that runs."""
    form = '{{index .Labels "tutti.revision"}} {{.ID}} {{.Pid}}'
    filters = f"--filter label=tutti.deployment={deployment}"
    return lab.run("n1", f"podman ps --format '{form}' {filters}").splitlines()


def kinds(lab: Lab, slot: str) -> list[str]:
    """Return what happened to a slot, of what belongs to rollouts."""
    words = {"trial", "proved", "bad", "went back"}
    found = sites.events(lab, "n1")
    return [e["kind"] for e in found if e["kind"] in words and e["subject"] == slot]


def reported(lab: Lab) -> Report:
    """Return the newest report that the hub has of the device."""
    database = next(lab.machine("hub").rglob("hub.db"))
    with closing(sqlite3.connect(database)) as opened:
        ((data,),) = opened.execute("SELECT envelope FROM reports").fetchall()
    document, _ = builders.opened(data)
    assert isinstance(document, Report)
    return document


def failures(lab: Lab, version: int) -> list[Any]:
    """Return what the hub was told of a bad version."""
    return [each for each in reported(lab).failures if each.version == version]


def test_a_device_goes_back_by_itself_with_the_hub_gone(device):
    """One version runs at the end, and the hub is told why when it is back."""
    release(device, "web", rollout=SHORT, **BROKEN)
    wait(lambda: is_on_trial(device, "web/web.1", 2), "version 2 to be on trial")
    device.lab("kill", "hub")
    began = time.monotonic()
    wait(lambda: runs(device, "web/web.1") == 1, "version 1 to run again")
    took = time.monotonic() - began
    print(f"hub killed to the version before healthy: {took:.1f} s")
    assert took <= BACK_WITHIN
    wait(lambda: len(lives(device, "web")) == 1, "one container to be left")
    assert lives(device, "web")[0].startswith("1 ")
    assert device.fetch("n1")
    assert kinds(device, "web/web.1") == ["trial", "bad", "went back"]
    said = device.run("n1", "edge-node status")
    assert "bad     web/web.1 revision 2: unhealthy: answered 404" in said
    assert "        | this version does not work" in said
    device.lab("boot", "hub")
    wait(lambda: failures(device, 2), "the hub to hear why")
    (failure,) = failures(device, 2)
    assert failure.reason.startswith("unhealthy: answered 404")
    assert failure.sealed_log is not None, "its last lines are for the operators"
    assert b"does not work" not in msgspec.json.encode(failure)


def test_what_starts_first_never_stopped(device):
    """Without ports to share, the old container does not even notice."""
    before = lives(device, "quiet")
    release(device, "quiet", rollout=SHORT, **BROKEN)
    wait(lambda: len(lives(device, "quiet")) == 2, "both to run")
    wait(lambda: bad(device, "quiet/quiet.1", 2), "version 2 to fail")
    wait(lambda: lives(device, "quiet") == before, "the old one to be left alone")
    assert wait(lambda: runs(device, "quiet/quiet.1") == 1, "it to be healthy")


ANSWERS = """
import sys, time, urllib.request
first = last = 0.0
end = time.monotonic() + 20
while time.monotonic() < end:
    try:
        urllib.request.urlopen(f"http://{sys.argv[1]}/healthz", timeout=1).read()
        last = time.monotonic()
        first = first or last
    except OSError:
        if first:
            break
    time.sleep(0.01)
print(first, last)
"""


def answering(lab: Lab, container: str) -> "Future[list[float]]":
    """Ask a container all the time; return its first and its last answer."""
    form = "'{{.NetworkSettings.IPAddress}}'"
    address = lab.run("n1", f"podman inspect --format {form} {container}")
    script = lab.folder / "answers.py"
    script.write_text(ANSWERS)
    words = f"{sys.executable} {script} {address}"
    pool = ThreadPoolExecutor(max_workers=1)
    found = pool.submit(lambda: [float(n) for n in lab.run("n1", words).split()])
    pool.shutdown(wait=False)
    return found


def test_what_starts_first_refuses_nobody(device):
    """The old container answers until the new one has for a while."""
    (before,) = [each.split()[1] for each in lives(device, "quiet")]
    old = answering(device, before)
    release(device, "quiet", rollout=SLOWER, **LATE)
    both = wait(lambda: (found := lives(device, "quiet"))[1:] and found, "both to run")
    new = answering(device, next(e.split()[1] for e in both if before not in e))
    ended, (began, _) = old.result()[1], new.result()
    assert 0 < began < ended
    print(f"both answered for {ended - began:.2f} s")
    assert wait(lambda: runs(device, "quiet/quiet.1") == 3, "the new one to be healthy")


def test_a_power_cut_in_the_middle_of_a_trial_leaves_one_version(device):
    """The trial goes on after the boot, and the device goes back when it is over."""
    release(device, "web", rollout=SHORT, **HANGS)
    wait(lambda: is_on_trial(device, "web/web.1", 3), "version 3 to be on trial")
    device.lab("kill", "n1")
    device.lab("boot", "n1")
    wait(lambda: is_on_trial(device, "web/web.1", 3), "version 3 to be watched again")
    assert len(lives(device, "web")) <= 1
    wait(lambda: runs(device, "web/web.1") == 1, "version 1 to run again")
    wait(lambda: len(lives(device, "web")) == 1, "one container to be left")
    assert bad(device, "web/web.1", 3)["reason"].startswith("not healthy within 8 s")


def test_a_power_cut_after_going_back_tries_nothing_again(device):
    """The verdict is on the disk."""
    device.lab("kill", "n1")
    device.lab("boot", "n1")
    wait(lambda: runs(device, "web/web.1") == 1, "version 1 to run")
    assert bad(device, "web/web.1", 3)
    assert [each.split()[0] for each in lives(device, "web")] == ["1"]
    assert "trial" not in kinds(device, "web/web.1")[-1:]


@pytest.mark.parametrize(("after", "version"), [(0.1, 4), (0.5, 5)])
def test_a_power_cut_in_the_middle_of_a_switch_leaves_one_version(
    device, after, version
):
    """While it is received, created, stopped, started or given up."""
    release(device, "web", rollout=SHORT, **BROKEN)
    time.sleep(after)
    device.lab("kill", "n1")
    device.lab("boot", "n1")
    wait(lambda: bad(device, "web/web.1", version), "the new version to fail")
    wait(lambda: runs(device, "web/web.1") == 1, "version 1 to run again")
    wait(lambda: len(lives(device, "web")) == 1, "one container to be left")
    assert lives(device, "web")[0].startswith("1 ")


def test_a_good_version_proves_itself_and_ends_the_failure(device):
    """It is reported so, and what failed before is no longer told."""
    good = {"http": "http://:80/healthz", "every": 0.2, "fail_after": 3}
    command = ["httpd", "-f", "-p", "80", "-h", "/www"]
    for name, slot, version in (("web", "web/web.1", 6), ("quiet", "quiet/quiet.1", 4)):
        fields = {"command": command, "health": good, "env": {"ROUND": "good"}}
        release(device, name, rollout=SHORT, **fields)
        wait(lambda at=slot, v=version: runs(device, at) == v, f"{name} to be healthy")

    def is_proved() -> bool:
        """Whether the hub knows both."""
        said = reported(device)
        return not said.failures and all(each.proved for each in said.replicas)

    wait(is_proved, "both to prove themselves")
    assert len(lives(device, "quiet")) == len(lives(device, "web")) == 1


def test_a_version_that_changes_only_its_check_is_judged_by_it(device):
    """The container stays the same; it is asked in the new way, and then in the old."""
    before = lives(device, "web")
    check = {"http": "http://:80/nowhere", "every": 0.2, "fail_after": 3}
    release(device, "web", rollout=SHORT, back=6, health=check)
    failed = wait(lambda: bad(device, "web/web.1", 7), "version 7 to fail")
    assert failed["reason"].startswith("unhealthy: answered 404")
    wait(lambda: runs(device, "web/web.1") == 6, "version 6 to be healthy")
    assert [each.split()[1] for each in lives(device, "web")] == [
        each.split()[1] for each in before
    ]
