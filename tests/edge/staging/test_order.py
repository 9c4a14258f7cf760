"""Whether a new container may run beside the old one."""

import pytest

from edge.model import Volume, Workload
from edge.staging.order import clash, stops_first
from tests.support import builders as a

PORTS = (a.port(8080),)
WRITTEN = (Volume(source="files", target="/data"),)
READ = (Volume(source="/etc/motd", target="/motd", read_only=True),)


def test_a_workload_that_shares_nothing_starts_first():
    """Nobody who asks it is refused meanwhile."""
    assert stops_first(a.workload(volumes=READ)) == ""


@pytest.mark.parametrize(
    ("workload", "why"),
    [
        (a.workload(failover="strict"), "strict work never runs twice"),
        (a.workload(ports=PORTS), "host port 8080 is held by the one that runs"),
        (a.workload(network="host"), "both would listen on the host's network"),
        (a.workload(volumes=WRITTEN), "both would write to volume files"),
        (a.workload(devices=("/dev/video0",)), "both would use /dev/video0"),
    ],
)
def test_what_only_one_can_have_stops_first(workload: Workload, why: str):
    """The reason is a sentence for the plan."""
    assert stops_first(workload) == why


def test_a_port_without_a_bridge_is_only_a_word():
    """With no network there is nothing to collide."""
    assert stops_first(a.workload(ports=PORTS, network="none")) == ""


def test_the_operator_may_say_stop_first():
    """Then it does not matter what could be."""
    assert stops_first(a.workload(), "stop-first") == "the manifest says so"


@pytest.mark.parametrize(
    "workload",
    [a.workload(volumes=WRITTEN), a.workload(network="host")],
)
def test_start_first_vouches_for_volumes_and_the_network(workload: Workload):
    """The operator knows whether two may write there."""
    assert stops_first(workload, "start-first") == ""


@pytest.mark.parametrize(
    "workload", [a.workload(failover="strict"), a.workload(ports=PORTS)]
)
def test_start_first_does_not_make_the_impossible(workload: Workload):
    """Neither two holders of one lease nor two of one port."""
    assert stops_first(workload, "start-first")


def test_a_blue_green_version_has_ports_of_its_own():
    """What else only one can have, two sets cannot have either."""
    limits = a.rollout(strategy="blue-green")
    assert clash(a.workload(ports=PORTS), limits) == ""
    assert clash(a.workload(ports=PORTS), a.rollout()).startswith("host port 8080")
    written = a.workload(ports=PORTS, volumes=WRITTEN)
    assert clash(written, limits) == "both would write to volume files"
    assert clash(a.workload(failover="strict"), limits)


def test_start_first_vouches_for_two_sets_as_well():
    """The operator knows what they share."""
    limits = a.rollout(strategy="blue-green", order="start-first")
    assert clash(a.workload(ports=PORTS, volumes=WRITTEN), limits) == ""
