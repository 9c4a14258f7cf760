"""Rollouts over a real fleet: a canary first, then all; a bad version on one device.

One lab for the module. Each test releases the next version, and leaves every device
well at a good one.
"""

from typing import Any

import pytest

from tests.support import labs, rollouts
from tests.support.labs import Lab, wait
from tests.support.revisions import release

NODES = ("n1", "n2", "n3")
WEB = """
name = "web"

[workload.web]
image = "REGISTRY/web:1"
ports = ["8080:80"]
every = "*"
health = { http = "http://:80/healthz", every = "200ms", fail_after = 3 }
"""
LIMITS = {
    "strategy": "canary",
    "waves": [{"nodes": ["n2"]}, {"share": 10_000}],
    "max_unavailable": {"count": 1},
    "healthy_for": 1.0,
    "progress_deadline": 30.0,
}
GOOD = {"http": "http://:80/healthz", "every": 0.2, "fail_after": 3}
BAD = {
    "env": {"ROUND": "bad"},
    "health": {"http": "http://:80/nowhere", "every": 0.2, "fail_after": 3},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices that run version 1."""
    with labs.lab(tmp_path_factory.mktemp("rollouts"), "--nodes", "3") as lab:
        lab.edgectl("deploy", lab.manifest("web", WEB), "--yes")
        yield lab


def stage(lab: Lab) -> dict[str, Any]:
    """How the hub says the rollout stands, nothing while it is away."""
    return rollouts.stage(lab, "web")


def is_in(lab: Lab, version: int, phase: str) -> bool:
    """Whether the rollout of a version is in a phase."""
    return rollouts.is_in(lab, "web", version, phase)


def healthy(lab: Lab, node: str) -> int:
    """The version that is healthy on a device, 0 for none."""
    return rollouts.healthy(lab, "web", node)


def versions(lab: Lab) -> list[int]:
    """What is healthy on each device."""
    return rollouts.versions(lab, "web", NODES)


def tried(lab: Lab, version: int) -> list[str]:
    """Which devices ever put a version on trial."""
    return rollouts.tried(lab, NODES, version)


def test_a_good_version_goes_to_the_canary_and_then_to_all(fleet):
    """And the hub tells it wave by wave."""
    release(fleet, "web", rollout=LIMITS, env={"ROUND": "2"}, health=GOOD)
    wait(lambda: is_in(fleet, 2, "done"), "the rollout to be done")
    assert versions(fleet) == [2, 2, 2]
    said = fleet.edgectl("events").stdout
    assert said.index("wave 1 of 2 is open") < said.index("wave 2 of 2 is open")


def test_a_bad_version_fails_on_the_canary_only(fleet):
    """Everything ends healthy in the version before, and it is said why."""
    release(fleet, "web", rollout=LIMITS, back=2, **BAD)
    wait(lambda: is_in(fleet, 3, "failed"), "the rollout to fail")
    wait(lambda: versions(fleet) == [2, 2, 2], "all to be well in version 2")
    assert tried(fleet, 3) == ["n2"]
    found = stage(fleet)
    assert "web/web@n2 failed at revision 3 on n2: unhealthy" in found["reason"]


def test_a_hub_that_is_killed_in_the_middle_goes_on_where_it_was(fleet):
    """Right after the canary began, and again when everybody is changing."""
    release(fleet, "web", rollout=LIMITS, back=2, env={"ROUND": "4"}, health=GOOD)
    wait(lambda: tried(fleet, 4), "the canary to begin")
    fleet.lab("kill", "hub")
    fleet.lab("boot", "hub")
    wait(lambda: len(tried(fleet, 4)) > 1, "the next wave to begin")
    fleet.lab("kill", "hub")
    fleet.lab("boot", "hub")
    wait(lambda: is_in(fleet, 4, "done"), "the rollout to be done")
    assert versions(fleet) == [4, 4, 4]


def test_a_bad_version_is_taken_back_though_the_hub_is_killed(fleet):
    """The canary goes back alone; the hub finds the failure when it is back."""
    release(fleet, "web", rollout=LIMITS, back=4, **BAD)
    wait(lambda: tried(fleet, 5), "the canary to begin")
    fleet.lab("kill", "hub")
    wait(lambda: healthy(fleet, "n2") == 4, "the canary to be well in version 4")
    fleet.lab("boot", "hub")
    wait(lambda: is_in(fleet, 5, "failed"), "the rollout to fail")
    assert versions(fleet) == [4, 4, 4]
    assert tried(fleet, 5) == ["n2"]


def test_an_abort_takes_a_version_back_from_who_has_it(fleet):
    """Signed by the operator; the others never see it."""
    slow = {**LIMITS, "healthy_for": 20.0}
    release(fleet, "web", rollout=slow, back=4, env={"ROUND": "6"}, health=GOOD)
    wait(lambda: healthy(fleet, "n2") == 6, "the canary to be up")
    fleet.edgectl("rollout", "abort", "web", "--yes")
    wait(lambda: is_in(fleet, 6, "aborted"), "all to be back")
    assert versions(fleet) == [4, 4, 4]
    assert tried(fleet, 6) == ["n2"]
