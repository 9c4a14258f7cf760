"""A slot is busy until somebody looked at what was done to it."""

from node.inflight import InFlight

SLOT = "recorder/recorder.1"


def test_a_slot_is_busy_until_a_look_after_its_chain() -> None:
    """Or a container just started would count as stopped."""
    flight = InFlight()
    assert not flight.is_busy(SLOT)
    flight.begin(SLOT)
    assert flight.is_busy(SLOT)
    flight.end(SLOT)
    assert not flight.busy
    assert flight.is_busy(SLOT)
    flight.looked(flight.look())
    assert not flight.is_busy(SLOT)


def test_what_ended_during_a_look_was_not_seen_by_it() -> None:
    """The look may have passed its container before it was there."""
    flight = InFlight()
    flight.begin(SLOT)
    shown = flight.look()
    flight.end(SLOT)
    flight.looked(shown)
    assert flight.is_busy(SLOT)


def test_a_look_that_failed_shows_nothing() -> None:
    """The next one does."""
    flight = InFlight()
    flight.end(SLOT)
    flight.look()
    assert flight.is_busy(SLOT)


def test_a_chain_that_begins_anew_is_busy_whatever_was_seen() -> None:
    """Its own end is another one."""
    flight = InFlight()
    flight.end(SLOT)
    shown = flight.look()
    flight.begin(SLOT)
    flight.looked(shown)
    assert flight.is_busy(SLOT)
