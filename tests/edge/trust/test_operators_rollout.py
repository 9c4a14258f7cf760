"""What a rollout in a deployment may say, for every party alike."""

import pytest

from edge.staging.shapes import Limit, Wave, Window
from edge.trust import Refused
from tests.support import builders as a
from tests.support.trials import judged, reason

FLEET = (a.signed(a.trusted()),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"waves": (Wave(nodes=("n1",)),)}, "the last wave is not the whole fleet"),
        ({"max_unavailable": Limit(), "order": "stop-first"}, "max_unavailable is 0"),
        ({"window": Window(opens="0 0 30 2 *", lasts=60.0)}, "never opens"),
        ({"window": Window(opens="0 2 * *", lasts=60.0)}, "it has 4 fields"),
    ],
)
def test_a_rollout_that_nobody_could_follow_is_refused(changes, said):
    """A device that took it would wait for ever, and hold the newest number."""
    verdict = judged(
        a.deployment(version=2, rollout=a.rollout(**changes), fallback=1),
        a.ledger_of(FLEET),
    )
    assert isinstance(verdict, Refused)
    assert verdict.reason == "malformed"
    assert said in verdict.problem


def test_a_zone_that_is_not_known_here_is_no_reason_to_refuse():
    """Another machine may know it; here the window stays closed."""
    window = Window(opens="0 2 * * *", lasts=60.0, zone="Mars/Base")
    staged = a.deployment(rollout=a.rollout(window=window))
    assert reason(staged, a.ledger_of(FLEET)) == "accepted"


@pytest.mark.parametrize("back", [2, 3])
def test_the_way_back_leads_back(back):
    """To an earlier version, or nowhere."""
    forward = a.deployment(version=2, rollout=a.rollout(), fallback=back)
    assert reason(forward, a.ledger_of(FLEET)) == "malformed"
