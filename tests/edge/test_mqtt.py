"""What became of a publish reads like a condition."""

import pytest

from edge.mqtt import Delivery


@pytest.mark.parametrize("delivery", Delivery)
def test_only_an_accepted_publish_is_true(delivery):
    """``if await broker.publish(…)`` must not forget what nobody has."""
    assert bool(delivery) == (delivery is Delivery.ACCEPTED)
