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


def test_a_rollout_decides_what_starts_first_and_what_has_proved_itself():
    """A deployment without one stops first, as it always did."""
    staged = a.deployment(version=2, rollout=a.rollout())
    places = (a.place("web/web.1", 2), a.place("web/web.2", 2))
    revisions = {("web", 2): staged}
    first, second = wanted.replicas(places, revisions, {}, {"web/web.1": 2})
    assert (first.starts_first, first.is_proved) == (True, True)
    assert (second.starts_first, second.is_proved) == (True, False)
    plain = {("web", 2): a.deployment(version=2)}
    (third,) = wanted.replicas(places[:1], plain, {}, {"web/web.1": 1})
    assert (third.starts_first, third.is_proved) == (False, False)
