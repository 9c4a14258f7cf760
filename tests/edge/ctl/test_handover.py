"""Which copy goes first, and what is said of it."""

import pytest

from edge.ctl import handover
from edge.model import Health, Port, Volume
from edge.staging.order import stops_first
from tests.support import builders as a


def order(rollout=None, **changes):
    """Return order and reason for a workload with these changes."""
    limits = a.rollout(**(rollout or {}))
    found = handover.handover(a.workload("web", **changes), limits)
    return found.order, found.why


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ports": (Port(host=8080, container=80),)},
        {"network": "host"},
        {"failover": "strict"},
        {"volumes": (Volume(source="data", target="/x"),)},
        {"devices": ("/dev/video0",)},
    ],
)
def test_the_plan_says_what_the_devices_do(changes):
    """With their reason."""
    clash = stops_first(a.workload("web", **changes))
    expected = (
        ("stop-first", clash) if clash else ("start-first", "two copies do not clash")
    )
    assert order(**changes) == expected


def test_the_manifest_may_choose():
    """As far as there is a choice."""
    said = "the manifest says so"
    assert order({"order": "stop-first"}) == ("stop-first", said)
    written = (Volume(source="data", target="/x"),)
    assert order({"order": "start-first"}, volumes=written) == ("start-first", said)
    clash = order({"order": "start-first"}, ports=(Port(host=1, container=1),))
    assert clash[0] == "stop-first"


def test_two_sets_run_beside_each_other_whatever_ports_they_publish():
    """The ports are others; that is seen to when it is signed."""
    ports = (Port(host=8081, container=80),)
    said = ("start-first", "both sets run until the promote")
    assert order({"strategy": "blue-green"}, ports=ports) == said


def test_without_a_rollout_it_stops_first():
    """As it always did."""
    found = handover.handover(a.workload("web"), None)
    assert (found.order, found.why) == ("stop-first", "the manifest has no [rollout]")


def test_the_gap_is_the_stop_and_the_start():
    """The first probe decides when the new one counts."""
    assert handover.gap(a.workload("web", stop_after=10.0)) == 13.0
    checked = a.workload("web", stop_after=5.0, health=Health(tcp=":80", every=4.0))
    assert handover.gap(checked) == 11.0
