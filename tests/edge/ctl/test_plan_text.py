"""A plan as people and programs read it."""

import msgspec

from edge.ctl import plan as plans
from edge.ctl import plan_text, pulls
from edge.model import MIB
from edge.names import NodeName, Slot
from edge.placement import Placement
from tests.support import builders as a
from tests.support.drafts import ground, next_version, stays, version, view

PLACED = Placement(places={Slot("web/web.1"): NodeName("n1")})
OLD = version(1, a.workload("web", env={"A": "1", "B": "1"}))
FOUND = ground(
    OLD, next_version(a.workload("web", env={"B": "2", "C": "3"})), view("n1")
)


def test_a_plan_prints_what_changes():
    """New, moved, changed, and what is in the way."""
    before, after = a.deployment("web", 1), a.deployment("web", 2)
    made = plans.make(before, after, PLACED, {Slot("web/web.1"): NodeName("n2")})
    text = plan_text.plan(made)
    assert text.splitlines()[0] == "web: new version 2"
    assert "> moved     web.1                n2 → n1" in text
    assert plan_text.plan_json(made)["changes"] == [
        {
            "slot": "web/web.1",
            "workload": "web",
            "kind": "moved",
            "node": "n1",
            "before": "n2",
            "wave": 0,
            "order": "",
            "pull": None,
        }
    ]


def test_a_first_deployment_is_a_title_and_a_line_for_each_replica():
    """There is nothing to compare it with."""
    made = plans.make(None, a.deployment("web"), PLACED, {})
    assert plan_text.plan(made) == (
        "web: new version 1\n  + new       web.1                on n1"
    )


def test_a_next_version_says_when_and_how():
    """Fields, then devices, then what it means."""
    sizes = {a.MANIFEST: {"layer": 3 * MIB}}
    lines = plan_text.plan(pulls.priced(stays(FOUND, 1), FOUND, sizes)).splitlines()
    assert lines[:6] == [
        "web: new version 2",
        "  ~ web",
        '      - env.A: "1"',
        '      ~ env.B: "1" → "2"',
        '      + env.C: "3"',
        "  + [rollout]",
    ]
    assert lines[6] == ("  ~ changed   web.1                on n1  wave 1, start-first")
    assert lines[7].startswith("  rollout: canary, at most 1 away at a time")
    assert lines[-1].startswith("  service: web: start-first")


def test_a_device_says_what_it_fetches():
    """Behind its name."""
    other = a.image(digest="sha256:" + "9" * 64)
    found = ground(OLD, version(2, a.workload("web", image=other)), view("n1"))
    priced = pulls.priced(stays(found, 1), found, {a.MANIFEST: {"x": 3 * MIB}})
    # Both versions have the same manifest here, so nothing is left to fetch.
    assert "fetches" not in plan_text.plan(priced)
    (change,) = priced.changes
    heavy = msgspec.structs.replace(change, pull=3 * MIB)
    text = plan_text.plan(msgspec.structs.replace(priced, changes=(heavy,)))
    assert "on n1  stop-first, fetches 3.0 MiB" in text


def test_a_plan_prints_what_a_lost_device_means():
    """And who votes from now on."""
    made = plans.make(None, a.deployment("web"), PLACED, {})
    said = {"prospects": ("web: stays",), "voters": ("n1 votes",)}
    made = msgspec.structs.replace(made, **said)
    lines = plan_text.plan(made).splitlines()
    assert lines[-2:] == ["  voters: n1 votes", "  failover: web: stays"]
    assert plan_text.plan_json(made)["prospects"] == ("web: stays",)


def test_a_difference_is_the_fields_alone():
    """No device, no wave."""
    assert plan_text.diff(stays(FOUND, 1)).splitlines() == [
        "web: new version 2",
        "  ~ web",
        '      - env.A: "1"',
        '      ~ env.B: "1" → "2"',
        '      + env.C: "3"',
        "  + [rollout]",
    ]


def test_a_program_reads_the_same():
    """Paths, values before and after; "" where there is none."""
    found = plan_text.diff_json(stays(FOUND, 1))
    assert list(found) == ["name", "version", "is_new_version", "parts"]
    part = msgspec.to_builtins(found["parts"][0])
    assert part["name"] == "web"
    assert part["fields"][0] == {"path": "env.A", "before": '"1"', "after": ""}
    assert plan_text.plan_json(stays(FOUND, 1))["parts"] == found["parts"]
