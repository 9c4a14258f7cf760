"""What a device may stop, and what it tells its site of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edge.names import Slot
from edge.staging.shapes import Limit, Rollout, Wave
from netmesh.view import Peer, Roster, RosterEntry, View
from node import intents
from node.intents import Answer, Ask, Intent
from node.switches import ASKING, UNUSED_AGAIN, UNUSED_FOR, Around, Copy, Switches

ME, OTHER = "d-1", "d-2"
WEB, API = Slot("web/web.1"), Slot("web/api@n1")
KEY = intents.key("web")
NOW = 1000.0
OLD, NEW = 1, 2
ROLLOUT = Rollout(strategy="rolling", waves=(Wave(share=10_000),))


def switches(**wants: int) -> Switches:
    """A device that started long ago."""
    return Switches(me=ME, name="n1", started_at=0.0)


def copy(version: int = OLD, serves: int | None = None, **fields: Any) -> Copy:
    """A copy that is well."""
    well = version if serves is None else serves
    return Copy(deployment="web", version=version, serves=well, **fields)


def around(
    copies: Mapping[Slot, Copy],
    *others: str,
    said: Mapping[str, Intent] = {},
    rollout: Rollout | None = ROLLOUT,
    **fields: Any,
) -> Around:
    """A site with these other devices, alive."""
    entries = {
        each: RosterEntry(device=each, name=f"n{each[2:]}", mesh="", sign="")
        for each in (ME, *others)
    }
    peers = {
        each: Peer(device=each, name=f"n{each[2:]}", state="alive", since=0.0)
        for each in others
    }
    rumours = {each: {KEY: intents.encode(intent)} for each, intent in said.items()}
    return Around(
        copies=copies,
        roster=Roster(site="s", members=entries),
        view=View(at=NOW, peers=peers, rumours=rumours),
        rollouts={"web": rollout},
        **fields,
    )


def told(made: Mapping[str, bytes]) -> Intent | None:
    """What the device says of its replicas."""
    return intents.decode(made.get(KEY, b""))


def test_device_alone_may_switch_after_one_turn() -> None:
    """Nobody is there to ask."""
    machine = switches()
    assert machine.want({WEB: NEW})
    assert not machine.want({WEB: NEW})
    assert machine.may_switch(WEB, NEW) == ASKING
    outcome = machine.step(around({WEB: copy()}), [], NOW)
    assert outcome.granted == {WEB: NEW}
    assert machine.may_switch(WEB, NEW) == ""
    assert machine.may_switch(WEB, NEW + 1) != ""


def test_copies_of_one_device_are_stopped_one_after_the_other() -> None:
    """The second when the first is healthy at its new version."""
    machine = switches()
    machine.want({WEB: NEW, API: NEW})
    first = machine.step(around({WEB: copy(), API: copy()}), [], NOW)
    assert first.granted == {API: NEW}
    machine.want({WEB: NEW})
    for state in (copy(NEW, OLD), copy(NEW, 0)):
        turn = machine.step(around({WEB: copy(), API: state}), [], NOW + 1)
        assert turn.granted == {API: NEW}
        assert "not ready" in turn.waits[WEB]
    turn = machine.step(around({WEB: copy(), API: copy(NEW)}), [], NOW + 2)
    assert turn.granted == {WEB: NEW}


def test_grant_ends_when_the_device_went_back() -> None:
    """The old version is healthy: nothing is stopped any more."""
    machine = switches()
    machine.want({WEB: NEW})
    machine.step(around({WEB: copy()}), [], NOW)
    machine.want({})
    machine.step(around({WEB: copy(NEW, 0)}), [], NOW + 1)
    assert machine.step(around({WEB: copy(OLD, 0)}), [], NOW + 2).granted
    assert not machine.step(around({WEB: copy(OLD)}), [], NOW + 3).granted


def test_grant_that_is_not_used_is_given_back_and_not_asked_for_again_at_once() -> None:
    """Others wait for it."""
    machine = switches()
    machine.want({WEB: NEW})
    seen = around({WEB: copy()})
    assert machine.step(seen, [], NOW).granted
    assert machine.step(seen, [], NOW + UNUSED_FOR - 1).granted
    assert not machine.step(seen, [], NOW + UNUSED_FOR).granted
    assert not machine.step(seen, [], NOW + UNUSED_FOR + UNUSED_AGAIN - 1).granted
    assert machine.step(seen, [], NOW + UNUSED_FOR + UNUSED_AGAIN).granted


def test_grant_for_a_version_that_was_overtaken_is_given_back_at_once() -> None:
    """The next one is asked for in the same turn."""
    machine = switches()
    machine.want({WEB: NEW})
    machine.step(around({WEB: copy()}), [], NOW)
    machine.want({WEB: NEW + 1})
    outcome = machine.step(around({WEB: copy()}), [], NOW + 1)
    assert outcome.granted == {WEB: NEW + 1}


def test_one_that_is_down_is_overtaken_at_once() -> None:
    """The version it was stopped for hangs; a newer one takes nothing more."""
    machine = switches()
    machine.want({WEB: NEW})
    machine.step(around({WEB: copy()}), [], NOW)
    hangs = around({WEB: copy(NEW, serves=0)})
    machine.step(hangs, [], NOW + 1)
    machine.want({WEB: NEW + 1})
    assert machine.step(hangs, [], NOW + 2).granted == {WEB: NEW + 1}
    assert machine.may_switch(WEB, NEW + 1) == ""
    well = around({WEB: copy(NEW)})
    assert told(machine.step(well, [], NOW + 3).intents) == Intent(fixed=1, down=1)


def test_copy_that_is_gone_needs_no_grant() -> None:
    """It moved, or its deployment ended."""
    machine = switches()
    machine.want({WEB: NEW})
    machine.step(around({WEB: copy()}), [], NOW)
    assert not machine.step(around({}), [], NOW + 1).granted


def test_copy_that_never_gets_well_counts_for_one_deadline_only() -> None:
    """Whether it was granted or failed by itself."""
    short = replace_deadline(50.0)
    machine = switches()
    ill = around({WEB: copy(serves=0)}, OTHER, rollout=short)
    assert told(machine.step(ill, [], NOW).intents) == Intent(fixed=1, down=1)
    assert told(machine.step(ill, [], NOW + 49).intents) == Intent(fixed=1, down=1)
    assert told(machine.step(ill, [], NOW + 50).intents) == Intent(fixed=1)


def replace_deadline(seconds: float) -> Rollout:
    """A rollout that gives a device so long."""
    return Rollout(
        strategy="rolling",
        waves=ROLLOUT.waves,
        healthy_for=1.0,
        progress_deadline=seconds,
    )


def test_neighbours_are_told_what_cannot_move() -> None:
    """What can move, the plan and claims say, also when we are gone."""
    machine = switches()
    copies = {WEB: copy(can_move=True), API: copy()}
    assert told(machine.step(around(copies, OTHER), [], NOW).intents) == Intent(fixed=1)


def test_nothing_is_told_where_no_rollout_asks_for_it() -> None:
    """Until a neighbour has one: it may have a newer document than we."""
    machine = switches()
    quiet = around({WEB: copy()}, OTHER, rollout=None)
    assert machine.step(quiet, [], NOW).intents == {}
    asked = around({WEB: copy()}, OTHER, rollout=None, said={OTHER: Intent(ticket=3)})
    assert told(machine.step(asked, [], NOW).intents) == Intent(fixed=1)


def test_question_is_answered_also_where_nothing_of_it_runs() -> None:
    """Or the asker would count us as missing."""
    machine = switches()
    seen = around({}, OTHER, said={OTHER: Intent(ticket=3)})
    for name in ("web", "never-heard-of"):
        asks = [(OTHER, Ask(name, 3, 1))]
        outcome = machine.step(seen, asks, NOW)
        assert outcome.messages == ((OTHER, Answer(name, 3, 1, 0, 0)),)


def test_holders_of_movable_slots_count_though_they_say_nothing() -> None:
    """One that died before it told us anything is in the plan."""
    machine = switches()
    machine.want({WEB: NEW})
    seen = around({WEB: copy()}, OTHER, owners={Slot("web/web.2"): OTHER})
    dead = Peer(device=OTHER, name="n2", state="dead", since=NOW - 10)
    seen = replace(seen, view=View(at=NOW, peers={OTHER: dead}))
    outcome = machine.step(seen, [], NOW)
    assert outcome.waits == {WEB: "waiting for neighbours: n2 is not reached"}
    elsewhere = replace(seen, owners={Slot("web/web.2"): "d-3"})
    assert machine.step(elsewhere, [], NOW + 1).granted


def test_limit_of_the_newest_rollout_counts() -> None:
    """Two at once where two may be unavailable."""
    two = Rollout(
        strategy="rolling", waves=ROLLOUT.waves, max_unavailable=Limit(count=2)
    )
    machine = switches()
    machine.want({WEB: NEW, API: NEW})
    seen = around({WEB: copy(), API: copy()}, rollout=two)
    machine.step(seen, [], NOW)
    assert machine.step(seen, [], NOW + 0.1).granted == {WEB: NEW, API: NEW}
