"""What is printed: shapes that programs rely on, tables that people read."""

import json

import msgspec
import pytest

from edge.ctl import render
from edge.ctl.shapes import Event, NodeRow, ReplicaRow
from tests.support import builders as a

NODE = NodeRow(
    name="n1",
    id="d-1",
    site="home",
    labels={"role": "sensor"},
    state="ready",
    address="10.0.0.1",
    revisions={"web": 2},
    last_seen=a.NOW - 90,
    sealed=("web/token",),
)
REPLICA = ReplicaRow(
    deployment="web",
    workload="web",
    replica="web.1",
    revision=2,
    node="n1",
    site="home",
    state="running",
    healthy=True,
    address="10.0.0.1",
    since=a.NOW - 7200,
    restarts=4,
)


def test_ps_has_exactly_the_promised_fields():
    """The issue fixes them."""
    assert list(render.picked(REPLICA, render.PS_FIELDS)) == [
        "deployment",
        "workload",
        "replica",
        "revision",
        "node",
        "site",
        "state",
        "healthy",
        "address",
        "since",
    ]


def test_get_nodes_has_exactly_the_promised_fields():
    """The issue fixes them."""
    assert list(render.picked(NODE, render.NODE_FIELDS)) == [
        "name",
        "id",
        "site",
        "labels",
        "state",
        "address",
        "revisions",
        "last_seen",
    ]


def test_json_is_json():
    """Read back by anyone."""
    text = render.to_json([render.picked(NODE, render.NODE_FIELDS)])
    assert json.loads(text)[0]["labels"] == {"role": "sensor"}


def test_a_line_of_json_is_one_line():
    """A program reads one after the other."""
    assert render.to_line({"a": "x\ny"}) == '{"a":"x\\ny"}'


def test_columns_stand_under_their_titles():
    """An empty cell is a dash, so that columns can be cut."""
    text = render.table(("A", "LONG"), [("xxx", "1"), ("", "22")])
    assert text.splitlines() == ["A    LONG", "xxx  1", "-    22"]


def test_an_empty_list_is_its_titles():
    """Nobody wonders whether it worked."""
    assert render.table(("A", "B"), []) == "A  B"


def test_devices_are_listed_with_what_they_hold():
    """One line each."""
    line = render.nodes([NODE], a.NOW).splitlines()[1].split()
    assert line == ["n1", "ready", "home", "role=sensor", "web:2", "1m", "10.0.0.1"]


def test_a_state_says_why_where_there_is_a_reason():
    """`offline` alone sends nobody to the right place."""
    row = msgspec.structs.replace(NODE, state="offline", reason="n2: silent for 9 s")
    assert render.nodes([row], a.NOW).endswith("10.0.0.1  n2: silent for 9 s")


def test_a_term_is_shown_where_work_changed_hands():
    """A second term is news, and the fencing token of what is strict."""
    moved = msgspec.structs.replace(REPLICA, term=3)
    titles, line = render.replicas([moved], a.NOW).splitlines()
    assert titles.split()[:4] == ["REPLICA", "REVISION", "TERM", "NODE"]
    assert line.split()[:4] == ["web/web.1", "2", "3", "n1"]


def test_a_healthy_replica_is_called_so():
    """And an ill one says why."""
    ill = ReplicaRow(
        deployment="web",
        workload="web",
        replica="web.2",
        revision=2,
        node="n2",
        site="home",
        state="backing-off",
        healthy=False,
        reason="exit code 1",
    )
    first, second = render.replicas([REPLICA, ill], a.NOW).splitlines()[1:]
    assert first.split() == [
        "web/web.1",
        "2",
        "n1",
        "home",
        "healthy",
        "2h",
        "10.0.0.1",
    ]
    assert second.endswith("exit code 1")


@pytest.mark.parametrize(
    ("at", "text"),
    [(0.0, ""), (99.5, "0s"), (41, "59s"), (40, "1m"), (200, "0s"), (-1e6, "11d")],
)
def test_an_age_is_in_its_largest_unit(at, text):
    """A clock that is ahead is no negative age."""
    assert render.age(at, 100.0) == text


def test_an_event_is_one_line():
    """When, what, about whom, why."""
    event = Event(id=1, at=0.0, kind="refused", subject="member", text="forged")
    assert render.event(event).split() == [
        "1970-01-01",
        "00:00:00",
        "refused",
        "member",
        "forged",
    ]
