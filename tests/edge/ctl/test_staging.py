"""From waves as written to names that are signed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import manifest
from edge.ctl import staging
from edge.ctl.shapes import ReplicaRow
from edge.ctl.staging import Candidate
from edge.errors import ManifestError
from edge.names import NodeName, SiteName, Slot
from edge.placement import NodeView
from edge.staging import waves
from edge.staging.shapes import WHOLE, Wave
from tests.support import builders as a

TWO = a.deployment("web", 2)
NAMES = [f"n{number}" for number in range(1, 13)]
BY_LOT = sorted(NAMES, key=lambda name: waves.lot("web", name))
"""The order in which a count takes them."""


def device(name, site="home", *, runs=True, **labels):
    """Return a device that will run ``web``."""
    return Candidate(name, site, labels, runs)


FLEET = tuple(device(name) for name in NAMES)


def written(*lines):
    """Return a manifest with these lines in its rollout."""
    head = 'name = "web"\n[workload.web]\nimage = "h:1/web:1"\n[rollout]\n'
    return manifest.parse(head + "\n".join(lines), file="web.toml")


def staged(text, fleet=FLEET, deployment=TWO):
    """Return the waves that are signed for ``waves = text``."""
    found = staging.staged(deployment, written(f"waves = {text}"), fleet, 1)
    assert waves.problem(found.rollout) == ""
    return found.rollout.waves


def refusal(text, fleet=FLEET):
    """Return the error for ``waves = text``."""
    with pytest.raises(ManifestError, match="cannot ") as caught:
        staged(text, fleet)
    return caught.value


ALL = Wave(share=WHOLE)


def test_without_a_rollout_nothing_is_added():
    """Not even a version to go back to."""
    plain = manifest.parse('name = "web"\n[workload.web]\nimage = "h:1/web:1"\n')
    assert staging.staged(TWO, plain, FLEET, 1) == TWO


def test_the_limits_are_signed_with_a_way_back():
    """As they were written."""
    asked = written('strategy = "canary"', 'healthy_for = "3s"', 'on_failure = "pause"')
    found = staging.staged(TWO, asked, FLEET, 1)
    assert found.fallback == 1
    assert (found.rollout.healthy_for, found.rollout.on_failure) == (3.0, "pause")
    assert found.rollout.waves == (Wave(nodes=(BY_LOT[0],)), ALL)


def test_counts_hold_those_of_earlier_waves():
    """Three is one and two more, the smallest lots first."""
    first, second, _ = staged('["1", "3", "100%"]')
    assert first.nodes == (BY_LOT[0],)
    assert second.nodes == tuple(sorted(BY_LOT[1:3]))


def test_a_count_chooses_devices_that_run_it_now():
    """Only they can prove the new version soon."""
    runs = BY_LOT[5:7]
    fleet = [device(name, runs=name in runs) for name in NAMES]
    assert staged('["1", "100%"]', fleet) == (Wave(nodes=(runs[0],)), ALL)
    assert staged('["9", "100%"]', fleet) == (Wave(nodes=tuple(sorted(runs))), ALL)


def test_where_nobody_runs_it_yet_a_count_chooses_those_that_will():
    """After a first deploy, or a deployment that was deleted."""
    fleet = [device(name, runs=False) for name in NAMES]
    assert staged('["1", "100%"]', fleet) == (Wave(nodes=(BY_LOT[0],)), ALL)


def test_a_label_and_a_site_become_names():
    """Of devices that run it now or will."""
    fleet = (*FLEET, device("t1", "lab"), device("t2", runs=False, role="test"))
    assert staged('["site=lab", "role=test", "100%"]', fleet) == (
        Wave(nodes=("t1",)),
        Wave(nodes=("t2",)),
        ALL,
    )


def test_a_label_that_nobody_carries_is_refused():
    """Most often a slip; it has its line."""
    error = refusal('["1",\n "site=lab", "100%"]')
    assert str(error) == (
        "web.toml:6: rollout.waves[1]: cannot have a wave site=lab: no device that"
        " runs web carries that; see `edgectl plan`"
    )


def test_names_after_a_share_keep_the_share():
    """A share never falls, and whom it holds is not named again."""
    held = [name for name in NAMES if waves.lot("web", name) < 3000]
    fleet = [device(name, "lab") for name in NAMES]
    first, second, last = staged('["30%", "site=lab", "100%"]', fleet)
    assert held
    assert (first, last) == (Wave(share=3000), ALL)
    assert second.share == 3000
    assert second.nodes == tuple(sorted(set(NAMES) - set(held)))


def test_a_wave_that_adds_nobody_is_left_out():
    """One manifest serves a large fleet and a small one."""
    (only,) = [device("n1", "lab")]
    found = staged('["1", "3", "site=lab", "50%", "100%"]', [only])
    assert found == (Wave(nodes=("n1",)), Wave(share=5000), ALL)


def test_too_many_to_name_are_refused():
    """A share says the same in fewer words."""
    fleet = [device(f"d{number}", "lab") for number in range(1025)]
    assert (
        "write a share of the fleet" in refusal('["site=lab", "100%"]', fleet).problem
    )


WRITTEN = st.lists(st.sampled_from(["site=lab", "role=test"]), unique=True)
COUNTS = st.lists(st.integers(1, 14), unique=True, max_size=3).map(sorted)
SHARES = st.lists(st.integers(1, 99), unique=True, max_size=3).map(sorted)
FLEETS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.booleans(), st.booleans()),
    unique_by=lambda each: each[0],
    max_size=12,
)


@given(WRITTEN, COUNTS, SHARES, FLEETS)
def test_what_is_signed_can_be_followed(labels, counts, shares, drawn):
    """Whatever is written and whoever is there, each wave adds somebody."""
    fleet = [
        device(name, "lab" if is_lab else "x", runs=r) for name, is_lab, r in drawn
    ]
    fleet += [device("t1", "lab", role="test")]
    texts = [*labels, *map(str, counts), *(f"{share}%" for share in shares), "100%"]
    found = staged(str(texts).replace("'", '"'), fleet)
    named = [name for wave in found for name in wave.nodes]
    assert len(named) == len(set(named))
    assert found == staged(str(texts).replace("'", '"'), fleet[::-1])


def test_candidates_are_the_devices_that_will_run_it():
    """Who has it now and loses it proves nothing."""
    views = [
        NodeView(
            name=NodeName(name),
            site=SiteName("home"),
            labels={"role": "test"},
            architecture="amd64",
            memory=1,
            cpus=1,
        )
        for name in ("n1", "n2", "n3")
    ]
    places = {Slot("web/web.1"): NodeName("n1"), Slot("web/web.2"): NodeName("n2")}
    where = {Slot("web/web.1"): NodeName("n1"), Slot("web/web.2"): NodeName("n3")}
    found = staging.candidates(views, places, where)
    assert found == (
        device("n1", role="test"),
        device("n2", runs=False, role="test"),
    )


def row(revision, *, healthy=True, deployment="web"):
    """Return a replica as the hub shows it."""
    return ReplicaRow(
        deployment=deployment,
        workload="web",
        replica="web.1",
        revision=revision,
        node="n1",
        site="home",
        state="running",
        healthy=healthy,
    )


def test_the_way_back_is_the_version_before():
    """None before the first."""
    assert staging.fallback(None, []) == 0
    assert staging.fallback(a.deployment("web", 4), [row(3), row(3)]) == 4


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 4),
        ([row(4), row(4), row(2)], 4),
        ([row(2), row(4)], 4),
        ([row(2), row(2), row(4)], 2),
        ([row(2), row(4, healthy=False)], 2),
        ([row(2, deployment="api")], 4),
        ([row(1), row(1)], 4),
    ],
)
def test_after_a_failure_the_way_back_is_what_works(rows, expected):
    """Only between the two versions that were signed for it."""
    before = a.deployment("web", 4, rollout=a.rollout(), fallback=2)
    assert staging.fallback(before, rows) == expected


def test_limits_are_alike_whoever_is_named():
    """The same file asks for the same in a fleet that has changed."""
    one, two = Wave(nodes=("n1",)), Wave(nodes=("n2", "n3"))
    limits = a.rollout(waves=(one, ALL))
    assert staging.is_alike(limits, a.rollout(waves=(two, ALL)))
    assert staging.is_alike(None, None)
    for other in (
        None,
        a.rollout(waves=(ALL,)),
        a.rollout(waves=(Wave(share=1000), ALL)),
        a.rollout(waves=(one, ALL), healthy_for=1.0),
    ):
        assert not staging.is_alike(limits, other)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, 2),
        (a.control(action="promote", target=3), 2),
        (a.control(action="pause", target=4), 2),
        (a.control(action="promote", target=4), 4),
    ],
)
def test_the_way_back_from_a_set_that_nobody_promoted_is_what_serves(word, expected):
    """However healthy the new set is: no client was sent to it."""
    limits = a.rollout(strategy="blue-green")
    before = a.deployment("web", 4, rollout=limits, fallback=2)
    assert staging.fallback(before, [row(4), row(4)], word) == expected
