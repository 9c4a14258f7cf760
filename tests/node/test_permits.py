"""Who may stop a copy: never more at once than was signed, and everybody in the end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.staging import waves
from edge.staging.shapes import Limit
from netmesh.view import NEVER
from node.intents import Answer, Ask, Intent
from node.permits import (
    ANSWER_FOR,
    ASK_LAST,
    PROMISE_FOR,
    QUIET_FOR,
    UNKNOWN_FOR,
    Moment,
    Other,
    Permit,
)
from tests.support.switch_site import SwitchSite, Weather

NOW = 1000.0
LATE, MID, FIRST = sorted(
    ("n1", "n2", "n3"), key=lambda name: waves.lot("web", name), reverse=True
)
"""By lot: the last one first."""
IDLE = Intent(fixed=1)


def permit(name: str = MID, started_at: float = 0.0) -> Permit:
    """One device's machine, long after its start."""
    return Permit(deployment="web", name=name, started_at=started_at)


def other(name: str, **fields: Any) -> Other:
    """Another device with one replica, well."""
    return Other(device=f"d-{name}", name=name, **{"intent": IDLE, **fields})


def moment(*others: Other, **fields: Any) -> Moment:
    """A device with one copy that wants to be replaced."""
    around = {each.device: each for each in others}
    return Moment(**{"wants": True, "fixed": 1, "others": around, **fields})


def waiting(ticket: int, **fields: Any) -> Intent:
    """The intent of a device that wants to stop its copy."""
    return replace(IDLE, ticket=ticket, **fields)


def answers(
    messages: tuple[tuple[str, Any], ...], taken: Mapping[str, int] = {}
) -> list[tuple[str, Answer]]:
    """What the others answer to these questions; all is well where nothing is said."""
    return [
        (device, Answer("web", m.ticket, m.round, 1, taken.get(device, 0)))
        for device, m in messages
        if isinstance(m, Ask)
    ]


def test_device_alone_is_free() -> None:
    """Nobody is asked; there is nobody."""
    turn = permit().step(moment(), [], NOW)
    assert turn.is_granted
    assert turn.messages == ()
    assert turn.intent == Intent(fixed=1, down=1)


def test_device_alone_replaces_its_copies_one_after_the_other() -> None:
    """The limit holds for its own as well."""
    turn = permit().step(moment(replicas=2, down=1), [], NOW)
    assert not turn.is_granted
    assert "1 other replicas here are not ready" in turn.waits


def test_copy_is_stopped_when_all_answered_that_they_are_well() -> None:
    """One question, one answer: a round trip."""
    machine, asked = permit(), moment(other("n8"), other("n9"))
    first = machine.step(asked, [], NOW)
    assert first.waits == "waiting for neighbours: asking them"
    assert [device for device, _ in first.messages] == ["d-n8", "d-n9"]
    (one, two) = answers(first.messages)
    second = machine.step(asked, [one], NOW + 0.01)
    assert second.waits == "waiting for neighbours: n9 does not answer"
    assert machine.step(asked, [two], NOW + 0.02).is_granted


def test_granted_copy_counts_as_down_at_once() -> None:
    """Who asks us in the next moment hears it."""
    machine, asked = permit(), moment(other(FIRST, intent=waiting(7)), other("n9"))
    turn = machine.step(asked, [], NOW)
    assert turn.intent.ticket > 0
    assert turn.messages == (), "it is not our turn: nobody need be asked"
    later = moment(down=1, wants=False, others=asked.others, replicas=2)
    reply = machine.step(later, [(f"d-{FIRST}", Ask("web", 7, 3))], NOW)
    assert reply.messages == ((f"d-{FIRST}", Answer("web", 7, 3, 2, 1)),)


def test_neighbour_that_is_not_well_blocks() -> None:
    """Two at once would be more than was signed."""
    machine, asked = permit(), moment(other("n9"))
    first = machine.step(asked, [], NOW)
    said = answers(first.messages, {"d-n9": 1})
    turn = machine.step(asked, said, NOW + 0.01)
    assert turn.waits == "waiting for neighbours: n9 is not ready"


def test_share_of_a_large_site_lets_more_go() -> None:
    """Of eight replicas a quarter is two."""
    machine, quarter = permit(), Limit(share=2500)
    asked = moment(*(other(f"n{each}") for each in range(10, 17)), limit=quarter)
    first = machine.step(asked, [], NOW)
    said = answers(first.messages, {"d-n10": 1})
    assert machine.step(asked, said, NOW + 0.01).is_granted


def test_one_a_site_whatever_the_limit() -> None:
    """``group_by = "site"``."""
    machine = permit()
    asked = moment(other("n9"), limit=Limit(count=5), is_one_a_site=True)
    first = machine.step(asked, [], NOW)
    said = answers(first.messages, {"d-n9": 1})
    assert not machine.step(asked, said, NOW + 0.01).is_granted


def test_device_that_is_not_reached_counts_as_missing_until_it_is_given_up() -> None:
    """It may be stopped behind a broken cable; but not for ever."""
    gone = other("n9", is_reached=False, since=NOW - 100.0)
    turn = permit().step(moment(gone), [], NOW)
    assert turn.waits == "waiting for neighbours: n9 is not reached"
    assert permit().step(moment(gone, patience=90.0), [], NOW).is_granted


def test_device_never_heard_counts_while_its_site_may_be_booting() -> None:
    """Then only if the plan says that it has something."""
    unheard = other("n9", is_reached=False, since=NEVER, intent=None)
    young = permit(started_at=NOW - UNKNOWN_FOR + 1)
    assert not young.step(moment(unheard), [], NOW).is_granted
    assert permit().step(moment(unheard), [], NOW).is_granted
    planned = replace(unheard, holds=1)
    assert not permit(started_at=NOW - 20).step(moment(planned), [], NOW).is_granted


def test_silent_device_is_given_up_in_the_end() -> None:
    """At once where nobody says that it has a replica, late where it has one."""
    for quiet, within in ((other("n9", intent=None), QUIET_FOR), (other("n9"), 60.0)):
        machine, asked = permit(), moment(quiet, patience=60.0)
        now = NOW
        while not machine.step(asked, [], now).is_granted:
            now += 0.5
        assert within <= now - NOW <= within + ASK_LAST


def test_smaller_lot_goes_first() -> None:
    """Whoever waits behind it does not even ask."""
    turn = permit().step(moment(other(FIRST, intent=waiting(7))), [], NOW)
    assert turn.messages == ()
    assert turn.waits == f"waiting for neighbours: {FIRST} goes first"
    behind = permit().step(moment(other(LATE, intent=waiting(7))), [], NOW)
    assert behind.messages


def test_who_waits_behind_us_gets_no_answer() -> None:
    """It would stop before us."""
    late = other(LATE, intent=waiting(7))
    turn = permit().step(moment(late), [(late.device, Ask("web", 7, 1))], NOW)
    assert not any(isinstance(m, Answer) for _, m in turn.messages)


def test_who_goes_first_frees_itself_of_what_it_promised_us() -> None:
    """Our answer to it and its earlier answer to us would let both stop."""
    machine, first, third = permit(), other(FIRST), other("n9")
    asks = machine.step(moment(first, third), [], NOW).messages
    promised, slow = answers(asks)
    machine.step(moment(first, third), [promised], NOW + 0.1)
    wants = replace(first, intent=waiting(7))
    around = moment(wants, third)
    machine.step(around, [(first.device, Ask("web", 7, 1))], NOW + 0.2)
    turn = machine.step(around, [slow, promised], NOW + 0.3)
    assert not turn.is_granted


def test_nothing_is_stopped_beyond_what_was_promised() -> None:
    """With a limit of two, the one that got our word may be the second already."""
    machine, late, third = permit(), other(LATE, intent=waiting(7)), other("n9")
    two = Limit(count=2)
    idle = moment(late, third, wants=False)
    machine.step(idle, [(late.device, Ask("web", 7, 1))], NOW)
    around = moment(late, third, limit=two)
    asks = machine.step(around, [], NOW + 0.1).messages
    (gave_way, fine) = answers(asks)
    turn = machine.step(around, [fine], NOW + 0.2)
    assert turn.waits == f"waiting for neighbours: {LATE} goes first"
    assert machine.step(around, [gave_way], NOW + 0.3).is_granted


def test_promise_ends_with_the_intent_it_was_given_for() -> None:
    """The other one has stopped its copy: now it counts by itself."""
    machine, late, third = permit(), other(LATE, intent=waiting(7)), other("n9")
    idle = moment(late, third, wants=False)
    machine.step(idle, [(late.device, Ask("web", 7, 1))], NOW)
    gone_on = replace(late, intent=replace(IDLE, down=1))
    around = moment(gone_on, third, limit=Limit(count=2))
    asks = machine.step(around, [], NOW + 0.1).messages
    said = answers(asks, {late.device: 1})
    assert machine.step(around, said, NOW + 0.2).is_granted


def test_promise_stands_while_the_intent_is_out_of_sight() -> None:
    """A mesh that begins anew has heard nothing yet; the time still ends it."""
    machine, late = permit(), other(LATE, intent=waiting(7))
    idle = moment(late, wants=False)
    machine.step(idle, [(late.device, Ask("web", 7, 1))], NOW)
    around = moment(replace(late, intent=None), limit=Limit(count=2))
    assert not machine.step(around, [], NOW + PROMISE_FOR - 0.01).is_granted
    assert machine.step(around, [], NOW + PROMISE_FOR).is_granted


def test_promise_outlives_the_answer() -> None:
    """One counts from when it was asked for, the other from when it was given."""
    assert PROMISE_FOR > ANSWER_FOR
    machine, around = permit(), moment(other("n8"), other("n9"))
    asks = machine.step(around, [], NOW).messages
    one, two = answers(asks)
    machine.step(around, [one], NOW + 0.1)
    assert not machine.step(around, [two], NOW + ANSWER_FOR).is_granted


def test_nobody_is_promised_anything_whose_intent_is_not_seen() -> None:
    """Its end would not be seen either; and an old ticket is over."""
    ask = Ask("web", 7, 1)
    for intent in (None, IDLE, waiting(8)):
        who = other("n9", intent=intent)
        turn = permit().step(moment(who, wants=False), [(who.device, ask)], NOW)
        assert turn.messages == ()
    turn = permit().step(moment(wants=False), [("d-stranger", ask)], NOW)
    assert turn.messages == ()


def test_answers_to_an_earlier_ticket_do_not_count() -> None:
    """We left the queue in between, and our word with it."""
    machine, around = permit(), moment(other("n9"))
    said = answers(machine.step(around, [], NOW).messages)
    machine.step(replace(around, wants=False), [], NOW + 0.1)
    assert not machine.step(around, said, NOW + 0.2).is_granted


def test_device_stops_nothing_until_what_it_may_have_promised_is_over() -> None:
    """A start remembers no promise."""
    machine, around = permit(started_at=NOW), moment(other("n9"))
    said = answers(machine.step(around, [], NOW + 1.0).messages)
    turn = machine.step(around, said, NOW + 1.1)
    assert turn.waits == "waiting for neighbours: hearing them first"
    assert turn.wake_at is not None
    assert turn.wake_at <= NOW + PROMISE_FOR


def test_copies_that_are_down_do_not_wait_for_each_other() -> None:
    """The version that mends them would never get in."""
    machine, around = permit(), moment(other("n9", intent=Intent(fixed=1, down=1)))
    assert not machine.step(around, [], NOW).is_granted
    assert machine.step(replace(around, is_down=True), [], NOW + 1).is_granted


def test_copy_that_is_down_already_takes_no_more_room_than_one() -> None:
    """It was failing before: it waits its turn, and counts once."""
    machine, around = permit(), moment(other("n9"), is_down=True)
    turn = machine.step(around, [], NOW)
    assert turn.intent.down == 1
    assert machine.step(around, answers(turn.messages), NOW + 0.1).is_granted


def test_one_that_waits_before_us_for_ever_is_no_longer_waited_for() -> None:
    """Its daemon is ill, or it lies; what it does not answer still counts a while."""
    machine = permit()
    around = moment(other(FIRST, intent=waiting(7)), patience=50.0)
    machine.step(around, [], NOW)
    now = NOW + 99.0
    assert machine.step(around, [], now).messages == ()
    assert machine.step(around, [], NOW + 100.0).messages != ()
    assert machine.step(around, [], NOW + 151.0).is_granted


def test_idle_machine_may_be_forgotten_and_one_that_promised_may_not() -> None:
    """Forgetting a promise would break it."""
    machine, late = permit(), other(LATE, intent=waiting(7))
    machine.step(moment(late, wants=False), [(late.device, Ask("web", 7, 1))], NOW)
    assert not machine.is_idle(NOW + 1)
    assert machine.is_idle(NOW + PROMISE_FOR)


# Laws, over whole sites in virtual time: each example plays minutes of one.
FEW = settings(max_examples=min(40, settings().max_examples))
LIMITS = st.sampled_from(
    (Limit(count=1), Limit(count=2), Limit(count=3), Limit(share=4000))
)
WEATHER = st.builds(
    Weather,
    devices=st.integers(1, 6),
    copies=st.integers(1, 2),
    limit=LIMITS,
    group_by=st.sampled_from(("", "", "site")),
    loss=st.sampled_from((0.0, 0.1, 0.4)),
    delay=st.sampled_from((0.005, 0.1, 0.8)),
    takes=st.sampled_from(((0.1, 0.5), (0.5, 8.0), (5.0, 20.0))),
    rounds=st.integers(1, 3),
    begins=st.sampled_from((0.0, 0.5, 5.0)),
)
MISHAPS = st.lists(
    st.tuples(
        st.sampled_from(("cut", "part", "restart")),
        st.integers(1, 6),
        st.floats(0.0, 90.0),
        st.floats(0.1, 40.0),
    ),
    max_size=8,
)


def play(site: SwitchSite, mishaps: list[tuple[str, int, float, float]]) -> None:
    """Have these things happen to the site; all of them are over in the end."""
    for kind, number, after, lasts in mishaps:
        name = f"n{1 + number % site.weather.devices}"
        begins, ends = site.now + after, site.now + after + lasts
        if kind == "part":
            apart = {each: int(each > name) for each in site.devices}
            site.at(begins, lambda groups=apart: site.part(groups))
            site.at(ends, lambda: site.part(dict.fromkeys(site.devices, 0)))
            continue
        site.at(begins, lambda name=name: site.cut(name))
        site.at(
            begins + 0.1 if kind == "restart" else ends, lambda n=name: site.boot(n)
        )


@FEW
@given(weather=WEATHER, mishaps=MISHAPS, seed=st.integers(0, 2**32))
def test_never_more_are_stopped_than_the_limit_allows(
    weather: Weather, mishaps: list[tuple[str, int, float, float]], seed: int
) -> None:
    """With loss, delay, partitions and power cuts; and all get their turn after them.

    As long as nobody is given up, missing devices count: the limit holds for the whole
    site, not only for those that hear each other.
    """
    site = SwitchSite(weather, seed)
    play(site, mishaps)
    site.run(until=4000.0)
    assert site.worst <= site.limit
    assert site.is_done


@FEW
@given(weather=WEATHER, seed=st.integers(0, 2**32), who=st.integers(1, 6))
def test_nobody_holds_up_the_others_for_ever(
    weather: Weather, seed: int, who: int
) -> None:
    """One is cut off for good, on one the new version is never healthy."""
    sick = frozenset({"n1"})
    weather = replace(weather, sick=sick, patience=60.0, rounds=1)
    site = SwitchSite(weather, seed)
    gone = f"n{1 + who % weather.devices}"
    site.gone.add(gone)
    site.at(site.now + 3.0, lambda: site.cut(gone))
    site.run(until=site.now + 60.0 * 3 * weather.devices * weather.copies + 200.0)
    assert site.is_done
