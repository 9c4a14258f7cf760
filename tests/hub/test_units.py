from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge.model import Failure, ReplicaStatus, SealedText
from edge.names import NodeName, Slot
from hub import units
from hub.assignments import Holding
from hub.fleet import Standing
from hub.stage import Unit
from hub.units import Folded, Terms
from tests.support import builders, staged
from tests.support.builders import Device, enrolled, ledger_of
from tests.support.fleets import heard, known, standings

N1, N2 = Device("n1"), Device("n2")
FLEET = standings(ledger_of(enrolled(N1, N2)), N1, N2)
SLOT = Slot("web/web@n1")
PLACES = {SLOT: NodeName("n1")}
ON_N1 = builders.assignment(N1, replicas=(builders.place(SLOT),))
LOG = SealedText(box="end", keys={})
FAILURE = Failure(slot=SLOT, deployment="web", version=2, reason="why", sealed_log=LOG)


def terms(**changes: Any) -> Terms:
    """Version 2 of ``web``, which goes back to version 1."""
    fields = {
        "newest": staged.version(2, fallback=1),
        "rollout": staged.LIMITS,
        "before": staged.version(1),
    }
    return Terms(**{**fields, **changes})


def said(*replicas: ReplicaStatus, **changes: Any) -> dict[NodeName, Standing]:
    """The fleet after n1 reported."""
    news = heard(N1, replicas=replicas, **changes)
    return {**FLEET, NodeName("n1"): replace(FLEET[NodeName("n1")], heard=news)}


def fold(
    signed: Terms | None = None,
    places: Mapping[Slot, NodeName] = PLACES,
    fleet: dict[NodeName, Standing] = FLEET,
    **changes: Any,
) -> Folded:
    """The units of ``web``, which n1 was assigned."""
    last = changes.pop("last", (ON_N1,))
    scene = units.scene(known(fleet, *last, **changes))
    return units.fold(signed or terms(), scene, places)


def only(folded: Folded) -> Unit:
    """The one unit there is."""
    (unit,) = folded.fleet.units
    return unit


def test_a_unit_is_what_is_placed_assigned_and_reported() -> None:
    """In its wave, at its site."""
    unit = only(fold(fleet=said(builders.status(SLOT))))
    assert (unit.slot, unit.node, unit.site, unit.wave) == (SLOT, "n1", "home", 0)
    assert (unit.has, unit.assigned, unit.healthy, unit.online) == (1, 1, True, True)
    assert unit.has_way_back


def test_a_device_that_said_nothing_runs_nothing() -> None:
    """As far as anybody knows; one that is not known is none."""
    unit = only(fold(last=()))
    assert (unit.has, unit.assigned, unit.is_new) == (0, 0, True)
    assert fold(places={SLOT: NodeName("n9")}).fleet.units == ()
    gone = {NodeName("n1"): replace(said(builders.status(SLOT))["n1"], is_revoked=True)}
    assert only(fold(fleet=gone)).has == 0


def test_a_proof_is_of_the_newest_version() -> None:
    """What proved itself in the version before says nothing of it."""
    old = builders.status(SLOT, 1, proved=True)
    new = builders.status(SLOT, 2, proved=True)
    assert not only(fold(fleet=said(old))).proved
    assert only(fold(fleet=said(new))).proved
    assert not only(fold(fleet=said(new, failures=(FAILURE,)))).proved


def test_a_failure_comes_with_its_reason_and_last_lines() -> None:
    """One of another version is another rollout's."""
    unit = only(fold(fleet=said(builders.status(SLOT), failures=(FAILURE,))))
    assert (unit.bad, unit.reason, unit.log) == (True, "why", LOG)
    other = msgspec.structs.replace(FAILURE, version=1)
    assert not only(fold(fleet=said(builders.status(SLOT), failures=(other,)))).bad


@pytest.mark.parametrize(
    ("changes", "fails"),
    [
        ({}, False),
        ({"healthy": False, "state": "starting"}, False),
        ({"healthy": False, "state": "pulling"}, False),
        ({"healthy": False, "state": "backing-off"}, True),
        ({"healthy": False, "state": "starting", "restarts": 1}, True),
        ({"healthy": True, "restarts": 9}, False),
    ],
)
def test_it_fails_when_it_was_started_and_does_not_stay_up(
    changes: dict[str, Any], fails: bool
) -> None:
    """One that starts for the first time may still be well."""
    assert only(fold(fleet=said(builders.status(SLOT, **changes)))).is_failing == fails


def test_while_it_is_on_its_way_it_is_known_from_where_it_was() -> None:
    """Unless nothing may stay there: then it is new where it goes."""
    slot, n1, n2 = Slot("web/web.1"), NodeName("n1"), NodeName("n2")
    web = staged.version(2, fallback=1, workloads=(builders.workload(),))
    last = builders.assignment(N1, replicas=(builders.place(slot),))
    changes: dict[str, Any] = {
        "signed": terms(newest=web, before=None),
        "places": {slot: n2},
        "last": (last,),
        "holdings": {slot: Holding(node=n1, term=1)},
    }
    fleet = said(builders.status(slot))
    unit = only(fold(fleet=fleet, **changes))
    assert (unit.node, unit.has, unit.assigned) == ("n2", 1, 1)
    drained = {**fleet, n1: replace(fleet[n1], scheduling="drained")}
    assert only(fold(fleet=drained, **changes)).is_new
    assert only(fold(fleet={n2: fleet[n2]}, **changes)).is_new


def test_what_the_newest_version_has_no_place_for_keeps_what_it_has() -> None:
    """It is no part of the rollout."""
    lab = builders.workload(every="*", require={"role": "lab"})
    folded = fold(terms(newest=staged.version(2, fallback=1, workloads=(lab,))))
    assert (folded.fleet.units, folded.kept) == ((), {SLOT: 1})
    other = builders.workload("other", every="*")
    folded = fold(terms(newest=staged.version(2, workloads=(other,))), last=())
    assert (folded.fleet.units, folded.kept) == ((), {})


def test_what_moved_with_the_newest_version_does_not_keep_it() -> None:
    """Once all go back its place is where the version before has one."""
    lab = builders.workload(sites=("lab",))
    newest = staged.version(2, fallback=1, workloads=(lab,))
    slot, n2 = Slot("web/web.1"), NodeName("n2")
    last = builders.assignment(N1, replicas=(builders.place(slot, 2),))
    fleet = said(builders.status(slot, 2))
    folded = fold(terms(newest=newest), {slot: n2}, fleet, last=(last,))
    assert (folded.fleet.units, folded.kept) == ((), {})
    assert folded.fleet.left == ["n1"]


def test_who_runs_the_newest_version_is_known_beyond_the_units() -> None:
    """Whoever is to give it up is waited for, and named."""
    extra = builders.status("web/extra@n1", 2)
    folded = fold(fleet=said(builders.status(SLOT), extra))
    assert (folded.fleet.left, folded.fleet.strays[0].online) == (["n1"], True)
    assert fold(fleet=said(builders.status(SLOT))).fleet.left == []


def test_there_is_a_way_back_where_the_version_before_may_run() -> None:
    """One the hub lost is taken for good."""
    other = builders.workload("other", every="*")
    lab = builders.workload(every="*", require={"role": "lab"})
    for workload in (other, lab):
        before = staged.version(1, workloads=(workload,))
        assert not only(fold(terms(before=before))).has_way_back
    assert only(fold(terms(before=None))).has_way_back


def test_only_words_on_this_version_count() -> None:
    """Another version's rollout is over."""
    word = builders.control(target=2)
    assert fold(terms(control=word)).fleet.control == word
    assert fold(terms(control=builders.control(target=1))).fleet.control is None
    assert fold(terms(aborted=2)).fleet.is_aborted
    assert not fold(terms(aborted=1)).fleet.is_aborted


def test_what_bears_on_a_rollout_is_what_runs_and_how_it_does() -> None:
    """Neither since when, nor in which words."""
    one = builders.status(SLOT, since=1.0, reason="why")
    same = builders.status(SLOT, since=2.0)
    ill = builders.status(SLOT, healthy=False)
    assert units.told([one]) == units.told([same]) != units.told([ill])
