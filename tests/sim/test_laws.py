"""Whatever goes wrong, the laws of `edge.sim.laws` hold.

`just sim` plays as many as fit into three minutes, and at least 300. A seed that ever
broke a law stays in `REGRESSIONS`.
"""

import os

import pytest

from edge.sim import __main__ as sim

SEEDS = int(os.environ.get("TUTTI_SIM_SEEDS", "6"))
FIRST = int(os.environ.get("TUTTI_SIM_FIRST", "3000"))
REGRESSIONS = (
    ("general", 104),  # two gave way to each other for one strict slot
    ("general", 125),  # a term was reported that a container only began with
    ("general", 1023),  # two voters, and our own had promised the rival
    ("general", 1043),  # a machine lost its power while it slept
    ("general", 5000011),  # a plan named a dead holder, a live one was heard
    ("general", 5000078),  # an old disk forgot the original: terms rose for ever
    ("general", 5000078),  # two were the original, and raised their terms for ever
    ("general", 800583),  # a clock was set back, and what it refused not asked for
    ("general", 500034),  # a full disk kept a takeover back, and let it go too late
    ("general", 1537652704),  # one may not yield, and the other insisted for ever
    ("general", 573664806),  # a clock was set and set back between two looks
    ("strict", 200142),  # a hub that came back was not told what had been retained
    ("strict", 107),  # two took a slot in one term, each with one promise
    ("strict", 110),  # voters remembered one that had given way
    ("strict", 504),  # a daemon was started while its machine slept
    ("strict", 2001),  # a container's start slept with its machine
)
"""What once broke a law, or the simulator."""
KINDS = ("general", "strict")


def broken(kind: str, seed: int) -> str:
    """Play a world; return the laws it broke and the command that plays it again."""
    found = sim.replay(seed, kind)
    again = f"play it again: python -m edge.sim {seed} {kind}"
    return "" if found.is_good else "\n".join((*found.problems, again))


@pytest.mark.parametrize("number", range(SEEDS))
def test_laws_hold_on_known_seeds(number: int) -> None:
    """`just sim` plays fresh ones; here a failure must be the fault of a change."""
    assert not broken(KINDS[number % 2], FIRST + number)


@pytest.mark.parametrize(("kind", "seed"), REGRESSIONS)
def test_laws_hold_where_they_were_broken_once(kind: str, seed: int) -> None:
    """What was found stays found."""
    assert not broken(kind, seed)
