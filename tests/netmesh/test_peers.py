"""When neighbours are looked for, and what of the answers is believed to be a place."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmesh import lookout, peers
from netmesh.peers import Schedule
from netmesh.view import Peer, View

A, B = frozenset({"d-a"}), frozenset({"d-a", "d-b"})
NOBODY: frozenset[str] = frozenset()


def schedule() -> Schedule:
    """One device's."""
    return Schedule(rng=Random(7))


def test_nobody_missing_nothing_to_do():
    """However long it goes on."""
    looking = schedule()
    assert not any(looking.is_due(NOBODY, now) for now in range(1000))


def test_who_was_found_is_looked_for_no_longer():
    """The process is gone at once."""
    looking = schedule()
    assert looking.is_due(A, 1.0)
    assert not looking.is_due(NOBODY, 2.0)


def test_who_stays_away_costs_little():
    """An hour: one long look, then a short one now and then."""
    looking = schedule()
    due = [looking.is_due(A, float(now)) for now in range(3600)]
    assert all(due[: int(peers.FIRST_FOR)])
    later = due[int(peers.FIRST_FOR) + 1 :]
    assert 0.03 < sum(later) / len(later) < 0.12


def test_another_one_missing_is_a_first_look():
    """Whoever stayed away before does not make us slow."""
    looking = schedule()
    for now in range(2000):
        looking.is_due(A, float(now))
    assert all(looking.is_due(B, 2000.0 + now) for now in range(int(peers.FIRST_FOR)))


@given(st.integers(0, 10_000), st.integers(0, 2000))
def test_a_newcomers_first_look_meets_everybody(seed, begins):
    """No pause is longer than a first look, less the seconds to start a process."""
    looking = Schedule(rng=Random(seed))
    for now in range(begins):
        looking.is_due(A, float(now))
    meets = [looking.is_due(A, float(begins + now)) for now in range(325)]
    assert sum(meets) >= 5


@pytest.mark.parametrize(
    ("state", "since", "is_missing"),
    [
        ("unknown", 0.0, True),
        ("dead", 0.0, True),
        ("dead", 9.0, False),
        ("alive", 0.0, False),
        ("suspect", 0.0, False),
        ("leaving", 0.0, False),
    ],
)
def test_who_is_missing(state, since, is_missing):
    """Known addresses have their turn first; a goodbye is no riddle."""
    peer = Peer(device="d-a", name="n1", state=state, since=since)
    found = peers.missing(View(at=10.0, peers={"d-a": peer}))
    assert found == (A if is_missing else NOBODY)


def test_a_line_is_a_place():
    """Device, address, port."""
    assert peers.read(b"d-a 10.0.0.1 8445\n") == ("d-a", ("10.0.0.1", 8445))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"d-a",
        b"d-a 10.0.0.1",
        b"d-a 10.0.0.1 8445 x",
        b"d-a 10.0.0.1 0",
        b"d-a 10.0.0.1 65536",
        b"d-a 10.0.0.1 -1",
        b"d-a 10.0.0.1 \xb2",
        b"d-a 127.0.0.1 8445",
        b"d-a 224.0.0.251 8445",
        b"d-a fd00::1 8445",
        b"d-a n1.local 8445",
        b"\xff \xff \xff",
    ],
)
def test_anything_else_is_none(line):
    """Our own process printed it, after it read what strangers sent."""
    assert peers.read(line) is None


WORDS = (
    st.binary(max_size=12)
    | st.integers(-1, 70_000).map(lambda number: b"%d" % number)
    | st.ip_addresses().map(lambda address: str(address).encode())
)


@given(st.binary(max_size=peers.LINE_MAX) | st.lists(WORDS, max_size=4).map(b" ".join))
def test_no_line_breaks_it(line):
    """Whatever it is: nothing comes of it, or an address that can be asked."""
    found = peers.read(line)
    if found is not None:
        _, (address, port) = found
        assert lookout.is_usable(address)
        assert 0 < port <= peers.PORT_MAX
