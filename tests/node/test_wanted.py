"""What a place means, and what it waits for."""

from node import wanted
from tests.support import builders as a

SENSOR = a.deployment(
    "sensor",
    workloads=(a.workload("reader", replicas=1, secrets={"token": "/run/s/token"}),),
)
PLACE = a.place("sensor/reader.1")


def test_a_place_becomes_the_workload_it_names():
    """Slot, revision and workload come together."""
    (found,) = wanted.replicas([a.place("web/web.1")], {("web", 1): a.deployment()}, {})
    assert (found.slot, found.version, found.waits_for) == ("web/web.1", 1, "")
    assert found.workload.name == "web"


def test_a_missing_secret_is_waited_for():
    """Nothing starts half configured."""
    (found,) = wanted.replicas([PLACE], {("sensor", 1): SENSOR}, {})
    assert found.waits_for == "waiting for secret sensor/token"


def test_a_rotated_secret_shows_in_the_digest():
    """Another version is another digest, so that the vault is refilled."""
    (one,) = wanted.replicas([PLACE], {("sensor", 1): SENSOR}, {"sensor/token": 1})
    (two,) = wanted.replicas([PLACE], {("sensor", 1): SENSOR}, {"sensor/token": 2})
    assert one.secrets != two.secrets
    assert not one.waits_for


def test_a_revision_that_is_not_kept_is_left_out():
    """No signed workload, no replica."""
    assert wanted.replicas([a.place("web/web.1", 2)], {("web", 1): SENSOR}, {}) == ()
