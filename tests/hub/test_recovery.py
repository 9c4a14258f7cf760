from hypothesis import given
from hypothesis import strategies as st

from edge.model import Held
from edge.names import NodeName, Slot
from hub import recovery
from hub.assignments import Holding
from hub.recovery import (
    ASK_FOR,
    ASKED_MAX,
    CALM_FOR,
    DOUBT_FOR,
    ORDER,
    Recovery,
)
from hub.shelf import Shelf
from tests.support import builders
from tests.support.builders import NOW, Device, place, signed
from tests.support.fleets import shelf_of

DEVICES = tuple(Device(f"n{n}") for n in range(1, 6))
N1, N2 = DEVICES[:2]
WEB = signed(builders.deployment(version=3))


def lists(stream: str = "deployment/web", version: int = 4, digest: str = "") -> Held:
    """What a report says is held."""
    return Held(stream=stream, version=version, digest=digest or builders.INDEX)


def asking(*held: Held, by: Device = N1, shelf: Shelf | None = None) -> Recovery:
    """A hub that heard one report."""
    made = Recovery()
    made.hear(shelf or Shelf(), builders.report(by, held=held), NOW)
    return made


def test_what_a_device_has_and_the_hub_has_not_was_lost() -> None:
    """The hub commits before it publishes: there is no other way."""
    made = asking(lists(), lists("trust", 2))
    assert made.is_asking
    assert made.asked(N1.id) == ("trust", "deployment/web")
    assert made.asked(N2.id) == ()


def test_what_the_hub_has_as_new_is_not_asked_for() -> None:
    """Older copies are the device's affair, another content ends with the next."""
    for version in (1, 3):
        assert not asking(lists(version=version), shelf=shelf_of(WEB)).is_asking
    assert asking(lists(version=4), shelf=shelf_of(WEB)).is_asking


def test_numbers_of_the_hub_itself_are_compared_by_their_last() -> None:
    """A number that was used once must not be used again."""
    shelf = shelf_of(signed(builders.beacon(7)))
    assert not asking(lists("beacon", 7), shelf=shelf).is_asking
    assert asking(lists("beacon", 8), shelf=shelf).is_asking


def test_kinds_that_nobody_hands_in_are_not_asked_for() -> None:
    """A device may list what it likes."""
    assert not asking(lists("report/d-1"), lists("nonsense")).is_asking


def test_three_are_asked_for_what_everybody_has() -> None:
    """Ten thousand devices hold the trust document."""
    made = Recovery()
    for each in DEVICES:
        made.hear(Shelf(), builders.report(each, held=(lists(),)), NOW)
    assert sum(bool(made.asked(each.id)) for each in DEVICES) == ASKED_MAX


def test_the_newest_is_asked_of_who_has_it() -> None:
    """The older one would not help."""
    made = asking(lists(version=4))
    made.hear(Shelf(), builders.report(N2, held=(lists(version=5),)), NOW)
    made.hear(Shelf(), builders.report(N1, 2, held=(lists(version=4),)), NOW)
    assert (made.asked(N1.id), made.asked(N2.id)) == ((), ("deployment/web",))


def test_the_pause_ends_a_moment_after_it_came() -> None:
    """By whatever way; the next device may hold what this one did not."""
    made = asking(lists(version=3))
    made.settle(shelf_of(WEB), (N1.id,), NOW)
    assert made.wishes == {}
    assert (made.is_asking, made.said) == (True, "what more devices may hold")
    made.settle(shelf_of(WEB), (N1.id,), NOW + CALM_FOR)
    assert (made.is_asking, made.said) == (False, "")
    assert made.doubted == {}


def test_what_was_handed_in_and_refused_is_not_asked_for_again() -> None:
    """An operator's key that has expired since, another generation of hubs."""
    made = asking(lists(version=4))
    made.take(Shelf(), N1.id, {"deployment/web": 3})
    assert made.wishes  # an older revision came first
    made.take(Shelf(), N1.id, {"deployment/web": 4})
    assert made.wishes == {}
    assert not made.hear(Shelf(), builders.report(N1, 2, held=(lists(),)), NOW)
    assert made.hear(Shelf(), builders.report(N1, 3, held=(lists(version=5),)), NOW)


def test_who_lists_what_it_does_not_hand_in_is_doubted_for_a_while() -> None:
    """It paused the hub for a minute, and cannot again for an hour."""
    made = asking(lists())
    ended = made.settle(Shelf(), (N1.id, N2.id), NOW + ASK_FOR)
    assert (ended.streams, ended.doubted) == (("deployment/web",), (N1.id,))
    report = builders.report(N1, 2, held=(lists(version=9),))
    assert not made.hear(Shelf(), report, NOW + ASK_FOR)
    assert made.hear(Shelf(), report, NOW + ASK_FOR + DOUBT_FOR)


def test_who_is_away_is_not_doubted() -> None:
    """Its report was the broker's copy; it asks anew when it is back."""
    made = asking(lists())
    assert made.settle(Shelf(), (), NOW + ASK_FOR).doubted == ()
    assert made.hear(Shelf(), builders.report(N1, 2, held=(lists(),)), NOW + ASK_FOR)


def test_who_hands_in_has_time_for_the_rest() -> None:
    """Two hundred secrets over a slow uplink."""
    made = asking(lists(), lists("trust", 2))
    made.extend(N1.id, NOW + 50)
    assert made.settle(Shelf(), (N1.id,), NOW + ASK_FOR).streams == ()
    assert made.is_asking


def test_the_question_is_a_list_of_streams() -> None:
    """Empty when nothing is asked: the topic is cleared."""
    assert recovery.question(("trust", "beacon")) == b'{"streams":["trust","beacon"]}'
    assert recovery.question(()) == b""


def test_assignments_that_came_back_say_who_has_what() -> None:
    """The highest term wins; a slot that names its device never moves."""
    slots = (place("web/web.1", term=4), place("web/web@n1"), place("web/web.2"))
    first = builders.assignment(N1, replicas=slots)
    second = builders.assignment(N2, replicas=(place("web/web.1", term=5),))
    known = {Slot("web/web.2"): Holding(node=NodeName("n3"), term=1)}
    assert recovery.holdings([first, second], known) == {
        "web/web.1": Holding(node=NodeName("n2"), term=5)
    }


KINDS = st.sampled_from([*ORDER, "report", "x"])
HELD = st.builds(
    lists,
    st.builds("{}/{}".format, KINDS, st.integers(1, 3)) | KINDS,
    st.integers(1, 4),
)
REPORTS = st.tuples(st.sampled_from(DEVICES), st.lists(HELD, max_size=6))


@given(st.lists(REPORTS, max_size=12))
def test_questions_are_in_order_bounded_and_end_in_time(
    reports: list[tuple[Device, list[Held]]],
) -> None:
    """Whatever devices list: no pause without an end, nothing asked of everybody."""
    made = Recovery()
    for device, held in reports:
        made.hear(Shelf(), builders.report(device, held=tuple(held)), NOW)
    for device in DEVICES:
        kinds = [each.partition("/")[0] for each in made.asked(device.id)]
        assert kinds == sorted(kinds, key=ORDER.index)
    assert all(1 <= len(each.devices) <= ASKED_MAX for each in made.wishes.values())
    made.settle(Shelf(), [each.id for each in DEVICES], NOW + ASK_FOR)
    assert not made.is_asking


@given(st.lists(REPORTS, min_size=1, max_size=12))
def test_a_lying_site_pauses_the_hub_once_an_hour(
    reports: list[tuple[Device, list[Held]]],
) -> None:
    """They hand in nothing, and list ever newer numbers."""
    made = Recovery()
    ids = [each.id for each in DEVICES]
    paused = 0.0
    for step in range(int(DOUBT_FOR / ASK_FOR)):
        now = NOW + step * ASK_FOR
        for device, held in reports:
            newer = tuple(lists(each.stream, each.version + step) for each in held)
            made.hear(Shelf(), builders.report(device, held=newer), now)
        paused += ASK_FOR * made.is_asking
        made.settle(Shelf(), ids, now + ASK_FOR)
    # Of five liars each is asked, and doubted, in a minute of its own at worst.
    assert paused <= ASK_FOR * len(DEVICES)
