"""Two sets side by side on a real device: promoted, aborted, cut from power.

One lab for the module. Each test releases a version of its own, on the port that the
one which serves does not have.
"""

import time

import pytest

from edge.ctl.exits import Exit
from tests.integration.test_trials import bad, kinds, lives, runs
from tests.support import labs, sites
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
ROLLOUT = """
[rollout]
strategy = "blue-green"
healthy_for = "1s"
progress_deadline = "20s"
keep_for = "4s"
"""
BLUE, GREEN = 8080, 8081
SLOT = "web/web.1"
KEEP_FOR = 4.0
TWO_SETS = {
    "strategy": "blue-green",
    "healthy_for": 1.0,
    "progress_deadline": 20.0,
    "keep_for": KEEP_FOR,
}
BROKEN = {"http": "http://:80/nowhere", "every": 0.2, "fail_after": 3}


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """One device that runs version 1 on the blue port."""
    with labs.lab(tmp_path_factory.mktemp("sets"), "--nodes", "1") as lab:
        lab.edgectl("deploy", lab.manifest("web", WEB), "--yes")
        yield lab


def offer(
    lab: Lab, port: int, back: int, keep_for: float = KEEP_FOR, **changes
) -> None:
    """Release the next version on a host port, to run beside what serves."""
    ports = [{"host": port, "container": 80}]
    limits = {**TWO_SETS, "keep_for": keep_for}
    release(lab, "web", rollout=limits, back=back, ports=ports, **changes)


def serves(lab: Lab, port: int) -> bool:
    """Return whether something answers on a host port of the device."""
    return bool(lab.fetch("n1", "/healthz", port))


def revisions(lab: Lab) -> list[str]:
    """Return the revisions that run, oldest first."""
    return sorted((line.split()[0] for line in lives(lab, "web")), key=int)


def both(lab: Lab, *expected: str) -> None:
    """Wait until both sets serve, each at its port."""
    wait(lambda: revisions(lab) == list(expected), "both sets to run")
    wait(lambda: serves(lab, BLUE) and serves(lab, GREEN), "both to serve")


def say(lab: Lab, word: str) -> str:
    """Sign a word on the rollout."""
    return lab.edgectl("rollout", word, "web", "--yes").stderr


def until_up(lab: Lab) -> str:
    """Watch until the new set waits for its promote; return what is said then."""
    return lab.edgectl("rollout", "watch", "web", "--timeout", "60s").stderr


def test_old_and_new_serve_at_their_ports_until_the_promote(device):
    """Then the old one stays for a while, and leaves."""
    before = lives(device, "web")
    green = device.manifest("web", WEB.replace("8080:80", "8081:80") + ROLLOUT)
    said = device.edgectl("deploy", green, "--yes").stderr
    assert "web 2 runs beside version 1" in said
    assert "`edgectl rollout promote web` switches to it" in said
    both(device, "1", "2")
    assert "ready for `edgectl rollout promote`" in until_up(device)
    assert before[0] in lives(device, "web")
    assert "beside revision 1" in device.run("n1", "edge-node status")
    say(device, "promote")
    began = time.monotonic()
    wait(lambda: revisions(device) == ["2"], "the old set to leave")
    took = time.monotonic() - began
    print(f"promote to the old set gone: {took:.1f} s, kept for {KEEP_FOR:g} s")
    assert took >= KEEP_FOR - 1.0
    assert serves(device, GREEN)
    assert not serves(device, BLUE)


def test_an_undo_brings_the_old_set_up_anew(device):
    """Version 3 says what version 1 said, beside version 2, and is not promoted."""
    before = lives(device, "web")
    said = device.edgectl("rollout", "undo", "web", "--yes").stderr
    assert "web 3 runs beside version 2" in said
    both(device, "2", "3")
    say(device, "abort")
    wait(lambda: lives(device, "web") == before, "the new set to be removed")


def test_an_abort_removes_the_new_set_and_the_old_one_never_stopped(device):
    """Version 4 goes on the port that is free now."""
    before = lives(device, "web")
    offer(device, BLUE, back=2)
    both(device, "2", "4")
    until_up(device)
    say(device, "abort")
    wait(lambda: lives(device, "web") == before, "the old one to be left alone")
    assert serves(device, GREEN)
    wait(lambda: runs(device, SLOT) == 2, "it to be what the device runs")


def test_a_new_set_that_fails_is_removed_and_the_old_one_never_stopped(device):
    """By the device itself."""
    before = lives(device, "web")
    offer(device, BLUE, back=2, health=BROKEN)
    wait(lambda: bad(device, SLOT, 5), "version 5 to fail")
    wait(lambda: lives(device, "web") == before, "the old one to be left alone")
    assert kinds(device, SLOT)[-1] == "went back"


def test_a_version_that_changes_only_its_check_is_one_container_in_both_sets(device):
    """It is judged by the new check, and the container never notices."""
    before = lives(device, "web")
    offer(device, GREEN, back=2, health=BROKEN)
    wait(lambda: bad(device, SLOT, 6), "version 6 to fail")
    wait(lambda: runs(device, SLOT) == 2, "it to be well by the old check")
    assert lives(device, "web") == before


def test_a_power_cut_brings_both_sets_back(device):
    """Before the promote, with the hub gone; after it, only the new one in the end."""
    good = {"http": "http://:80/healthz", "every": 0.2, "fail_after": 3}
    offer(device, BLUE, back=2, health=good)
    both(device, "2", "7")
    until_up(device)
    device.lab("kill", "hub")
    device.lab("kill", "n1")
    device.lab("boot", "n1")
    both(device, "2", "7")
    device.lab("boot", "hub")
    wait(lambda: device.rows_or_none("get", "nodes"), "the hub to answer")
    until_up(device)
    say(device, "promote")
    wait(lambda: promoted(device) == 2, "the device to hear it")
    device.lab("kill", "n1")
    device.lab("boot", "n1")
    wait(lambda: revisions(device) == ["7"], "the old set to leave")
    assert serves(device, BLUE)


@pytest.mark.parametrize(("after", "version"), [(0.1, 8), (0.6, 9)])
def test_a_power_cut_in_the_middle_of_it_leaves_both(device, after, version):
    """While the new one is received, created or started in the place of another."""
    offer(device, GREEN, back=7, env={"ROUND": str(version)})
    time.sleep(after)
    device.lab("kill", "n1")
    device.lab("boot", "n1")
    both(device, "7", str(version))


def test_a_port_of_the_set_that_serves_is_refused_before_anything_is_signed(device):
    """Version 9 was never promoted: it is version 7 that the next one runs beside."""
    text = WEB.replace("web:1", "web:2") + '[rollout]\nstrategy = "blue-green"\n'
    path = device.manifest("clash", text)
    said = device.edgectl("plan", path, code=Exit.FAILURE).stderr
    assert f"{path}:6: workload.web.ports: cannot run beside version 7" in said
    other = device.manifest("beside", text.replace("8080:80", "8081:80"))
    shown = device.edgectl("plan", other).stdout
    assert "the old set runs on until the promote and 10m after it" in shown
    assert "nobody loses it" in shown


def test_a_switch_is_taken_back_while_the_old_set_is_kept(device):
    """At once: the old one runs still."""
    before = [each for each in lives(device, "web") if each.startswith("7 ")]
    offer(device, GREEN, back=7, keep_for=600.0, env={"ROUND": "10"})
    both(device, "7", "10")
    until_up(device)
    heard = promoted(device)
    say(device, "promote")
    wait(lambda: promoted(device) > heard, "the device to hear it")
    say(device, "abort")
    wait(lambda: lives(device, "web") == before, "the old one to be left alone")
    assert serves(device, BLUE)
    end = device.edgectl("rollout", "watch", "web", "--timeout", "60s", code=None)
    assert end.returncode == Exit.ROLLOUT_FAILED
    assert "the operator aborted it" in end.stderr


def promoted(lab: Lab) -> int:
    """Return how often the device heard that a version is promoted."""
    return [each["kind"] for each in sites.events(lab, "n1")].count("promoted")
