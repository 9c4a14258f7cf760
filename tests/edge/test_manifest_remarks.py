"""What `plan` says of a workload: every weakening, and what will not happen."""

from typing import Any

import msgspec
import pytest

from edge import manifest
from edge.model import Resources, Security, Volume, Workload
from tests.support import builders

WEAKER: dict[str, dict[str, Any]] = {
    "capability NET_ADMIN": {"security": Security(capabilities=("NET_ADMIN",))},
    "gain privileges": {"security": Security(privileges=True)},
    "seccomp is off": {"security": Security(seccomp=False)},
    "the device's network": {"network": "host"},
    "uses the device's /dev/video0": {"devices": ("/dev/video0",)},
    "reads and writes /srv": {"volumes": (Volume(source="/srv", target="/x"),)},
    "reads /srv": {"volumes": (Volume(source="/srv", target="/x", read_only=True),)},
    "may start 999": {"resources": Resources(pids=999)},
    "without an init": {"init": False},
    "runs as root": {"user": "0:0"},
    "9 stand-ins": {"takers": 9, "secrets": {"a": "/run/s/a"}},
}


@pytest.mark.parametrize("sentence", WEAKER)
def test_a_weakening_is_named(sentence: str) -> None:
    """One sentence for each field that gives something back."""
    found = manifest.weakenings(builders.workload(**WEAKER[sentence]))
    assert len(found) == 1
    assert sentence in found[0]


def test_the_defaults_are_not_weak() -> None:
    """Nothing to say of a workload that asks for nothing."""
    assert manifest.weakenings(builders.workload()) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"volumes": (Volume(source="data", target="/x"),)},
        {"security": Security(read_only=True)},
        {"resources": Resources(pids=10, memory=2**25)},
        {"user": "app"},
        {"takers": 9},
        {"network": "none"},
    ],
)
def test_what_is_as_hard_or_harder_is_not_named(changes: dict[str, Any]) -> None:
    """A warning that is always there is read by nobody."""
    assert manifest.weakenings(builders.workload(**changes)) == ()


def test_every_field_of_security_counts() -> None:
    """A new field of `Security` must be named here or be a hardening."""
    fields = {field.name for field in msgspec.structs.fields(Security)}
    assert fields == {"capabilities", "privileges", "seccomp", "read_only"}


@pytest.mark.parametrize("failover", ["strict", "available"])
def test_what_moves_with_all_it_has_needs_no_note(failover: str) -> None:
    """What a mode means depends on the site: `edge.ctl.prospects` says it."""
    assert manifest.notes(builders.workload(failover=failover)) == ()


def test_what_never_moves_needs_no_note() -> None:
    """The default of the model is none."""
    assert manifest.notes(builders.workload()) == ()


def test_data_that_stays_behind_is_noted() -> None:
    """A volume does not travel with its workload."""
    volumes = (Volume(source="data", target="/x"),)
    moving = builders.workload(failover="available", volumes=volumes)
    assert "what is in data stays" in manifest.notes(moving)[-1]


def test_no_replicas_are_noted() -> None:
    """Zero is allowed, and rarely meant."""
    none: Workload = builders.workload(replicas=0)
    assert "runs nowhere" in manifest.notes(none)[0]
