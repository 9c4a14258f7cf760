"""`edgectl deploy` with a `[rollout]` on real parts: good and bad versions, and faults.

One lab tells one story. Each test deploys the next version and leaves all devices well
at a good one; `Story` knows which that is.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support import clients, labs, rollouts
from tests.support.labs import Lab, wait

NODES = ("n1", "n2", "n3")
WEB = """
name = "web"

[workload.web]
image = "REGISTRY/web:TAG"
ports = ["8080:80"]
env = { GREETING = "ROUND" }
replicas = 3
failover = "available"
resources = { memory = "32MiB", cpus = 0.25 }
health = { http = "http://:80/healthz", every = "200ms", fail_after = 3 }
"""
ROLLOUT = """
[rollout]
strategy = "canary"
waves = ["1", "100%"]
healthy_for = "2s"
max_unavailable = 1
progress_deadline = "60s"
on_failure = "rollback"
"""


@dataclass
class Story:
    """The lab, and what it should run."""

    lab: Lab
    good: int = 1
    """The version that is to run everywhere."""
    newest: int = 1

    def manifest(self, tag: str, rollout: str = ROLLOUT) -> str:
        """Write the manifest of the next version."""
        self.newest += 1
        text = WEB.replace("TAG", tag).replace("ROUND", f"round {self.newest}")
        return self.lab.manifest("web", text + rollout)

    @property
    def tried(self) -> list[str]:
        """Which devices ever had the newest version on trial."""
        return rollouts.tried(self.lab, NODES, self.newest)

    @property
    def versions(self) -> list[int]:
        """What is healthy on each device."""
        return rollouts.versions(self.lab, "web", NODES)

    def on(self, node: str) -> int:
        """What is healthy on a device."""
        return rollouts.healthy(self.lab, "web", node)

    def settle(self) -> None:
        """Wait until the good version is healthy everywhere, and serves."""
        wait(lambda: self.versions == [self.good] * 3, f"all at {self.good}")
        assert all(self.lab.fetch(node) for node in NODES)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Three devices that run version 1."""
    with labs.lab(tmp_path_factory.mktemp("staged"), "--nodes", "3") as lab:
        story = Story(lab, newest=0)
        lab.edgectl("deploy", story.manifest("1", rollout=""), "--yes")
        story.settle()
        yield story


def good(story: Story, when: Callable[[], object], fault: Callable[[], None]) -> None:
    """Deploy a good version, do something to it in the middle; it gets everywhere."""
    with rollouts.deploying(story.lab, story.manifest("2")) as deploy:
        wait(when, "the phase to come")
        fault()
        done = deploy.result(timeout=120)
    assert done.returncode == 0, done.stderr + story.lab.logs()
    story.good = story.newest
    story.settle()


def bad(story: Story, when: Callable[[], object], fault: Callable[[], None]) -> str:
    """Deploy a bad version, do something in the middle; one device had it, briefly.

    Returns what was said.
    """
    with rollouts.deploying(story.lab, story.manifest("bad")) as deploy:
        wait(when, "the phase to come")
        fault()
        done = deploy.result(timeout=120)
    assert done.returncode == 6, done.stderr + story.lab.logs()
    story.settle()
    assert len(story.tried) == 1
    return done.stderr


def nothing() -> None:
    """No fault."""


def test_a_good_version_reaches_all_and_a_bad_one_is_taken_back(story):
    """Exit 0, then 6: it failed on exactly one device, and deploy says why.

    Under constant load no request fails, and one device at most is away.
    """
    addresses = [story.lab.address(node) for node in NODES]
    with clients.load(addresses) as load:
        good(story, lambda: True, nothing)
        assert sorted(story.tried) == list(NODES)
        said = bad(story, lambda: True, nothing)
    assert load.answered > 500
    assert (load.failed, load.most_refused) == (0, 1)
    assert "unhealthy: answered 500" in said
    assert "    web bad: cannot find my table" in said
    assert f"version {story.good} runs again" in said


def test_what_was_taken_back_may_be_tried_again(story):
    """The same manifest is the next version: the registry may have been to blame."""
    path = story.manifest("bad")
    story.lab.edgectl("deploy", path, "--yes", code=6)
    story.newest += 1
    said = story.lab.edgectl("deploy", path, "--yes", code=6).stderr
    assert f"web {story.newest}: the hub took it" in said
    story.settle()


@pytest.mark.parametrize("phase", ["canary", "rest", "last"])
def test_the_hub_is_killed_in_the_middle_of_a_good_version(story, phase):
    """Deploy goes on watching, and so does the hub."""
    good(story, phases(story)[phase], lambda: restart(story.lab, "hub"))


def test_the_hub_is_killed_in_the_middle_of_a_bad_version(story):
    """The canary goes back alone; the verdict is reached when it is back."""
    bad(story, lambda: story.tried, lambda: restart(story.lab, "hub"))


def test_the_hub_is_killed_when_it_goes_back(story):
    """Right after the failure was reported."""
    bad(story, lambda: gone_back(story), lambda: restart(story.lab, "hub"))


@pytest.mark.parametrize("phase", ["canary", "rest", "last"])
def test_a_device_loses_its_power_in_the_middle_of_a_good_version(story, phase):
    """The one that changes: it starts again in its new version, and proves it."""
    when = phases(story)[phase]
    good(story, when, lambda: power_cut(story, story.tried))


def test_a_device_loses_its_power_with_a_bad_version(story):
    """It goes back after its boot."""
    bad(story, lambda: story.tried, lambda: power_cut(story, story.tried))


def test_a_device_loses_its_power_while_it_goes_back(story):
    """It finishes after its boot."""
    bad(story, lambda: gone_back(story), lambda: power_cut(story, story.tried))


def test_a_canary_that_is_cut_off_goes_back_alone(story):
    """No hub and no broker: one device had it, and says so when they are back."""
    lab = story.lab

    def cut_off() -> None:
        for machine in ("hub", "broker"):
            lab.lab("cut", machine)
        canary = story.tried[0]
        wait(lambda: gone_back(story), "the canary to give it up alone")
        wait(lambda: story.on(canary) == story.good, "it to be well without a hub")
        lab.lab("heal")

    bad(story, lambda: story.tried, cut_off)


def phases(story: Story) -> dict[str, Callable[[], bool]]:
    """Return what tells that a good version has come so far."""
    return {
        "canary": lambda: len(story.tried) >= 1,
        "rest": lambda: len(story.tried) >= 2,
        "last": lambda: len(story.tried) >= 3,
    }


def gone_back(story: Story) -> bool:
    """Whether a device gave the newest version up."""
    tried = story.tried
    return bool(tried) and rollouts.has_gone_back(story.lab, tried[0], story.newest)


def restart(lab: Lab, machine: str) -> None:
    """Cut its power, and give it back."""
    lab.lab("kill", machine)
    time.sleep(0.5)
    lab.lab("boot", machine)


def power_cut(story: Story, tried: list[str]) -> None:
    """Cut the power of the device that was the last to change, and give it back."""
    newest = rollouts.last_to_try(story.lab, tried, story.newest)
    restart(story.lab, newest)
