"""A device in a rollout: on disk before it is acted on, the same after a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from edge import envelope, sealed_text
from edge.errors import StoreError
from edge.names import Slot
from edge.staging.shapes import Wave, Window
from node import trial
from node.agent import Agent
from node.share import Settled
from node.trial import Look
from tests.node.test_agent import agent, assigned, folder, full_disk
from tests.support import builders as a

__all__ = ["folder"]
SLOT = "web/web.1"
OLD = a.deployment()
LATE = a.rollout(waves=(Wave(nodes=("n5",)), Wave(share=10_000)))
CANARY = a.Device("n5")


def newest(**changes: Any) -> a.Deployment:
    """Return version 2, with n1 in its first wave."""
    return a.deployment(version=2, **{"rollout": a.rollout(), "fallback": 1} | changes)


def on_trial(folder, **changes: Any) -> Agent:
    """Return a device that ran version 1 and was given version 2."""
    who = agent(folder)
    first = [a.signed(OLD), assigned(who, a.place(SLOT))]
    who.receive(envelope.bundle(first))
    second = [a.signed(newest(**changes)), assigned(who, a.place(SLOT, 2), seq=2)]
    who.receive(envelope.bundle(second))
    return who


def versions(who: Agent) -> list[int]:
    """Return what runs in the slots."""
    return [each.version for each in who.replicas()]


def look(version: int = 2, **changes: Any) -> Look:
    """Return how the slot is doing: well."""
    fields = {"has_begun": True, "is_healthy": True, "is_unhealthy": False}
    return Look(
        slot=SLOT, version=version, failures=0, reason="", **{**fields, **changes}
    )


def events(who: Agent) -> list[str]:
    """Return the kinds of events that are about rollouts."""
    kinds = {"trial", "proved", "bad", "went back"}
    return [each.kind for each in who.journal.events if each.kind in kinds]


def report(who: Agent) -> a.Report:
    """Return what the hub is told."""
    return who.report(counter=(1, 1), instance="i", address="", replicas=())


def test_a_new_version_is_on_trial_before_it_is_switched_to(folder):
    """And stays so over a restart; the version before is a way back."""
    who = on_trial(folder)
    assert versions(who) == [2]
    assert who.staged.trials.is_watching
    assert events(who) == ["trial"]
    again = agent(folder)
    assert versions(again) == [2]
    assert again.staged.trials.is_watching
    assert who.device.store.deployment("web", 1) == OLD


def test_a_version_that_proves_itself_is_reported_so(folder):
    """For as long as it runs."""
    who = on_trial(folder)
    assert not who.replicas()[0].is_proved
    who.watch([look()], 0.0)
    assert who.watch([look()], 10.0).proved == (SLOT,)
    assert who.replicas()[0].is_proved
    assert agent(folder).replicas()[0].is_proved
    assert events(who) == ["trial", "proved"]


def test_a_bad_version_gives_way_and_is_reported(folder):
    """No hub is asked, and a restart does not try it again."""
    who = on_trial(folder)
    found = who.watch([look(is_healthy=False, is_unhealthy=True)], 0.0)
    who.condemn(SLOT, found.failing[SLOT], "boom")
    assert versions(who) == versions(agent(folder)) == [1]
    (failure,) = report(who).failures
    assert failure.version == 2
    assert failure.sealed_log is not None
    key = a.OPERATOR_SEAL
    assert sealed_text.read(failure.sealed_log, key.public, key) == "boom"
    assert b"boom" not in msgspec.json.encode(report(who))
    assert report(agent(folder)).failures == (failure,)
    assert events(who) == ["trial", "bad", "went back"]
    assert who.places[SLOT].version == 1


def test_the_hub_may_follow_a_device_back_and_cannot_send_it_forth(folder):
    """It was bad here, whatever is assigned."""
    who = on_trial(folder)
    who.condemn(SLOT, "unhealthy", "")
    who.receive(envelope.bundle([assigned(who, a.place(SLOT, 1), seq=3)]))
    assert who.places[SLOT].version == 1
    other = a.place("web/web.2", 2)
    forth = assigned(who, a.place(SLOT, 2), other, seq=4)
    who.receive(envelope.bundle([forth]))
    assert who.places == {SLOT: a.place(SLOT, 1)}
    assert who.intake.refusals["assignment: out-of-limits"] == 1


def test_a_newer_version_in_another_wave_brings_no_bad_one_back(folder):
    """What was gone back to runs on, and is what is gone back to again."""
    who = on_trial(folder)
    who.condemn(SLOT, "unhealthy", "")
    third = a.deployment(version=3, rollout=LATE, fallback=2)
    who.receive(envelope.bundle([a.signed(third)]))
    assert versions(who) == versions(agent(folder)) == [1]
    who.receive(envelope.bundle([*proof(version=3)]))
    named = assigned(who, a.place(SLOT, 3), seq=3)
    who.receive(envelope.bundle([named]))
    assert versions(who) == versions(agent(folder)) == [3]
    who.condemn(SLOT, "unhealthy", "")
    assert versions(who) == versions(agent(folder)) == [1]
    assert [each.version for each in report(who).failures] == [2, 3]


def test_a_trial_that_is_overtaken_goes_on_while_its_version_runs(folder):
    """It is still a new one, and may still be bad."""
    who = on_trial(folder)
    third = a.deployment(version=3, rollout=LATE, fallback=1)
    who.receive(envelope.bundle([a.signed(third)]))
    assert versions(who) == [2]
    found = who.watch([look(is_healthy=False, is_unhealthy=True)], 0.0)
    who.condemn(SLOT, found.failing[SLOT], "")
    assert versions(who) == versions(agent(folder)) == [1]


def test_without_the_version_before_a_bad_one_is_tried_on(folder):
    """There is nothing else to run."""
    who = on_trial(folder, fallback=0)
    who.condemn(SLOT, "unhealthy", "")
    assert versions(who) == [2]
    assert who.staged.trials.is_watching
    assert events(who) == ["trial", "bad"]


def test_a_newcomer_is_given_what_to_go_back_to_in_any_order(folder):
    """Once; and it runs that where its wave is closed."""
    who = agent(folder)
    late = newest(rollout=LATE)
    who.receive(envelope.bundle([a.signed(late), assigned(who, a.place(SLOT, 1))]))
    assert versions(who) == []
    assert who.receive(envelope.bundle([a.signed(OLD)]))
    assert versions(who) == versions(agent(folder)) == [1]
    assert not who.receive(envelope.bundle([a.signed(OLD)]))
    again = agent(folder)
    both = [a.signed(OLD), a.signed(late)]
    assert not again.receive(envelope.bundle(both))


def test_what_nobody_watches_cannot_be_condemned(folder):
    """It proved itself while its log was read."""
    who = on_trial(folder)
    who.watch([look()], 0.0)
    who.watch([look()], 10.0)
    who.condemn(SLOT, "too late", "")
    assert versions(who) == [2]


def proof(*, version: int = 2, is_bad: bool = False) -> list[bytes]:
    """Return what n5 says of a version, with who it is."""
    failure = a.model.Failure(slot=SLOT, deployment="web", version=version)
    said = a.report(
        CANARY,
        failures=(failure,) if is_bad else (),
        replicas=() if is_bad else (a.status("web/web.5", version, proved=True),),
    )
    voucher = a.voucher("v9", site="elsewhere")
    chain = (voucher, a.member(CANARY, voucher="v9"), said)
    return [a.signed(each) for each in chain]


def test_a_later_wave_changes_on_the_word_of_the_one_before(folder):
    """It comes beside the assignment, or alone; and it is not kept."""
    who = on_trial(folder, rollout=LATE)
    assert versions(who) == [1]
    assert who.intake.refusals["assignment: out-of-limits"] == 1
    assert who.receive(envelope.bundle(proof()))
    assert versions(who) == versions(agent(folder)) == [2]
    assert CANARY.id not in who.ledger.members
    assert not who.receive(envelope.bundle(proof()))


def test_a_device_goes_back_on_the_word_of_another(folder):
    """With the hub's assignment and a cause that is signed."""
    who = on_trial(folder)
    back = assigned(who, a.place(SLOT, 1), seq=3)
    who.receive(envelope.bundle([back]))
    assert versions(who) == [2]
    who.receive(envelope.bundle([*proof(is_bad=True), back]))
    assert versions(who) == [1]
    assert events(who) == ["trial", "went back"]


def test_a_device_goes_back_on_the_operators_word_also_after_a_restart(folder):
    """An abort is kept like everything operators say."""
    who = on_trial(folder)
    word = a.control(action="abort", target=2)
    who.receive(envelope.bundle([a.signed(word)]))
    again = agent(folder)
    assert versions(again) == [2]
    again.receive(envelope.bundle([assigned(again, a.place(SLOT, 1), seq=3)]))
    assert versions(again) == [1]


def test_three_starts_in_a_trial_make_a_version_bad(folder):
    """It may be what takes the device down: the next start runs the one before."""
    on_trial(folder).staged.begin(SLOT, 2)
    for _ in range(trial.STARTS_MAX - 1):
        assert versions(agent(folder)) == [2]
    last = agent(folder)
    assert versions(last) == [1]
    assert report(last).failures


def test_starts_while_it_is_still_fetched_are_not_held_against_a_version(folder):
    """It may take hours on a thin line, and a device may lose its power meanwhile."""
    on_trial(folder)
    for _ in range(trial.STARTS_MAX):
        assert versions(agent(folder)) == [2]


def test_a_switch_waits_for_its_window_with_its_image_at_hand(folder):
    """What runs stays until then; preparing does not wait."""
    shut = Window(opens="0 3 * * *", lasts=60.0)
    who = on_trial(folder, rollout=a.rollout(window=shut))
    assert versions(who) == [1]
    assert [each.version for each in who.standbys()] == [2]
    assert not who.change_in_time()
    assert not who.intake.refusals
    open_now = Window(opens="* * * * *", lasts=60.0)
    who.ledger.deployments["web"] = newest(rollout=a.rollout(window=open_now))
    assert who.change_in_time()
    assert versions(who) == [2]
    assert who.standbys() == ()
    assert not who.change_in_time()


def test_a_clock_behind_what_was_signed_is_in_no_window(folder):
    """A board without a battery boots in 1970."""
    open_now = Window(opens="* * * * *", lasts=60.0)
    who = on_trial(folder, rollout=a.rollout(window=open_now))
    assert versions(who) == [2]
    who.ledger.floor = a.NOW + 1
    assert who.staged.staging().at is None


def test_what_cannot_be_put_on_trial_is_not_switched_to(folder):
    """A full disk: the version before runs on, and it is tried again."""
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(OLD), assigned(who, a.place(SLOT))]))

    def full(content: bytes) -> None:
        raise StoreError(f"cannot write {len(content)} bytes: no space left")

    who.device.store.write_trials = full  # type: ignore[method-assign]
    second = [a.signed(newest()), assigned(who, a.place(SLOT, 2), seq=2)]
    who.receive(envelope.bundle(second))
    assert versions(who) == [1]
    assert not who.staged.trials.is_watching
    del who.device.store.write_trials
    assert who.can_catch_up()
    assert versions(who) == [2]


def test_a_full_disk_does_not_hold_up_going_back(folder):
    """It may be the bad version that filled it."""
    who = on_trial(folder)
    with full_disk():
        who.condemn(SLOT, "unhealthy", "")
        assert versions(who) == [1]
    assert versions(agent(folder)) == [2]
    assert who.can_catch_up()
    assert versions(agent(folder)) == [1]


def test_a_start_on_a_full_disk_goes_on_watching(folder):
    """The bad version may have filled it: it is judged, and gone back from."""
    on_trial(folder)
    with full_disk():
        again = agent(folder)
        assert again.staged.trials.is_watching
        found = again.watch([look(is_healthy=False, is_unhealthy=True)], 0.0)
        assert SLOT in found.failing
        again.condemn(SLOT, found.failing[SLOT], "")
        assert versions(again) == [1]


def test_a_version_is_not_blamed_for_the_one_before_it(folder):
    """Which failed, and was overtaken while its log was read."""
    who = on_trial(folder)
    newer = a.deployment(version=3, rollout=a.rollout(), fallback=1)
    word = assigned(who, a.place(SLOT, 3), seq=3)
    who.receive(envelope.bundle([a.signed(newer), word]))
    who.condemn(SLOT, "unhealthy", "boom", 2)
    assert versions(who) == [3]
    assert report(who).failures == ()
    who.condemn(SLOT, "unhealthy", "boom", 3)
    assert [each.version for each in report(who).failures] == [3]


def test_a_proof_that_could_not_be_written_counts_until_the_next_start(folder):
    """Then it is watched once more."""
    who = on_trial(folder)
    who.watch([look()], 0.0)
    with full_disk():
        assert who.watch([look()], 10.0).proved
    assert who.replicas()[0].is_proved
    assert agent(folder).staged.trials.is_watching


@pytest.mark.parametrize("rotten", [b"", b"rotten", b"{}"])
def test_damaged_trials_are_begun_anew(folder, rotten):
    """What runs is watched again, and not taken back blindly."""
    on_trial(folder)
    (folder / "trials.json").write_bytes(rotten)
    again = agent(folder)
    assert versions(again) == [2]
    assert again.staged.trials.is_watching
    assert not report(again).failures


def test_a_lost_share_does_not_stop_what_was_let_in(folder):
    """Its proof was in memory only."""
    who = on_trial(folder, rollout=LATE)
    who.receive(envelope.bundle(proof()))
    (folder / "share.json").write_bytes(b"rotten")
    assert versions(agent(folder)) == [2]


def test_a_device_without_rollouts_writes_nothing_of_them(folder):
    """Its flash is spared."""
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(OLD), assigned(who, a.place(SLOT))]))
    assert not (folder / "trials.json").exists()


def test_a_damaged_newest_version_forgets_no_failure(folder):
    """It comes again, and is still bad here."""
    who = on_trial(folder)
    who.condemn(SLOT, "unhealthy", "")
    (folder / "documents" / "deployment+web.2.json").write_bytes(b"rotten")
    again = agent(folder)
    assert versions(again) == [1]
    again.receive(envelope.bundle([a.signed(newest())]))
    assert versions(again) == [1]


@dataclass(frozen=True)
class Settles:
    """A site that has settled the slot in this device's favour."""

    settled: Settled
    waits: Mapping[str, str] = field(default_factory=dict)
    lapsed: frozenset[str] = frozenset()
    standby: tuple[str, ...] = (SLOT,)
    why: str = ""
    """What a copy that would be stopped waits for."""
    wanted: dict[Slot, int] = field(default_factory=dict)

    def give_up(self, slot: str) -> None:
        """Nothing is taken away here."""

    def want(self, wants: Mapping[Slot, int]) -> None:
        self.wanted.clear()
        self.wanted.update(wants)

    def may_switch(self, slot: Slot, version: int) -> str:
        assert self.wanted.get(slot) == version
        return self.why


@pytest.mark.parametrize(("had", "runs"), [(1, 1), (2, 2), (0, 2)])
def test_a_slot_is_taken_over_in_the_version_its_holder_had(folder, had, runs):
    """And prepared so while the holder lives."""
    shape = a.workload(failover="available")
    old = a.deployment(workloads=(shape,))
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(old)]))
    who.receive(envelope.bundle([a.signed(newest(workloads=(shape,)))]))
    who.site = Settles(Settled(others=frozenset({SLOT}), versions={SLOT: had}))
    who.decide()
    assert versions(who) == []
    assert [each.version for each in who.standbys()] == [runs]
    who.site = Settles(Settled(ours={SLOT: 2}, versions={SLOT: had}))
    who.decide()
    assert versions(who) == [runs]
    assert who.version(SLOT) == runs
    assert who.version("web/web.9") == 0
    assert who.staged.trials.is_watching is (runs == 2)


def alone(why: str) -> Settles:
    """Return a site that has nothing that moves, and says what copies wait for."""
    return Settles(Settled(), standby=(), why=why)


def asked(folder, why: str, **changes: Any) -> Agent:
    """Return a device that ran version 1 and asked its site whether it may change."""
    who = agent(folder)
    who.site = alone(why)
    who.receive(envelope.bundle([a.signed(OLD), assigned(who, a.place(SLOT))]))
    second = newest(**{"rollout": a.rollout(order="stop-first")} | changes)
    word = assigned(who, a.place(SLOT, 2), seq=2)
    who.receive(envelope.bundle([a.signed(second), word]))
    return who


def test_a_copy_runs_on_until_the_neighbours_let_it_be_stopped(folder):
    """What replaces it is prepared meanwhile, and no trial begins."""
    who = asked(folder, "waiting for neighbours: n2 goes first")
    assert versions(who) == [1]
    assert [each.version for each in who.standbys()] == [2]
    assert not who.staged.trials.is_watching
    who.site = alone("")
    who.decide()
    assert versions(who) == [2]
    assert who.standbys() == ()
    assert events(who) == ["trial"]


def test_a_start_asks_before_it_stops_anything(folder):
    """The daemon ended while its copy waited; the site comes after the documents."""
    asked(folder, "waiting for neighbours: n2 goes first")
    again = agent(folder)
    assert versions(again) == [1]
    again.site = alone("")
    again.decide()
    assert versions(again) == [2]


def test_what_starts_first_asks_before_it_goes_back(folder):
    """The newer copy leaves before the older one starts."""
    who = asked(folder, "", rollout=a.rollout(order="start-first"))
    assert versions(who) == [2]
    who.site = alone("waiting for neighbours: n2 goes first")
    word = a.signed(a.control(action="abort", target=2))
    who.receive(envelope.bundle([word, assigned(who, a.place(SLOT, 1), seq=3)]))
    assert versions(who) == [2]
    who.site = alone("")
    who.decide()
    assert versions(who) == [1]


def test_what_is_bad_here_goes_without_asking(folder):
    """It serves nobody."""
    who = asked(folder, "")
    who.site = alone("waiting for neighbours: n2 goes first")
    who.condemn(SLOT, "unhealthy", "")
    assert versions(who) == [1]


def test_without_a_rollout_nobody_is_asked(folder):
    """The operator limited nothing."""
    who = asked(folder, "waiting for neighbours: n2 goes first", rollout=None)
    assert versions(who) == [2]


def test_what_starts_first_stops_nothing_and_asks_nobody(folder):
    """The old copy serves until the new one does."""
    who = asked(folder, "waiting", rollout=a.rollout(order="start-first"))
    assert versions(who) == [2]
