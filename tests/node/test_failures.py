"""What is remembered of versions that failed, and how much of it."""

from hypothesis import given
from hypothesis import strategies as st

from edge.model import Failure, SealedText
from node import failures
from node.failures import LastWords, Remembered

BOX = SealedText(box="box", keys={})
seen = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 9), st.booleans()), max_size=60
)


def after(failed) -> Remembered:
    """Return what is remembered of slots and versions that failed in this order."""
    known = Remembered(bad={}, lines={})
    for at, (slot, version, is_loud) in enumerate(failed):
        failure = Failure(
            slot=f"web/web.{slot}", deployment="web", version=version, at=float(at)
        )
        words = LastWords(plain="boom", sealed=BOX) if is_loud else failures.SILENCE
        known = failures.add(known.bad, known.lines, failure, words)
    return known


@given(seen)
def test_what_is_remembered_is_bounded_and_of_one_piece(failed):
    """A few versions of a slot, a few logs; a box where there are lines, only there."""
    known = after(failed)
    versions = [each.slot for each in known.bad.values()]
    assert all(versions.count(slot) <= failures.BAD_MAX for slot in versions)
    assert len(known.lines) <= failures.LOGS_MAX
    boxed = {name for name, each in known.bad.items() if each.sealed_log}
    assert boxed == known.lines.keys()


@given(seen)
def test_lines_go_with_their_failure(failed):
    """Whoever forgets a failure forgets what it said."""
    known = after(failed)
    rest = dict(list(known.bad.items())[::2])
    assert (
        failures.only_of(rest, known.lines).keys() == rest.keys() & known.lines.keys()
    )


def test_the_newest_are_told_in_the_order_of_their_slots():
    """As many as a report may hold."""
    bad = [
        Failure(slot=f"web/web.{n}", deployment="web", version=1, at=float(n))
        for n in range(1, failures.TOLD_MAX + 3)
    ]
    told = failures.told(bad)
    assert len(told) == failures.TOLD_MAX
    assert {each.at for each in bad} - {each.at for each in told} == {1.0, 2.0}
    assert list(told) == sorted(told, key=lambda each: each.slot)


def test_a_long_reason_is_cut():
    """It travels in every report."""
    failure = Failure(slot="web/web.1", deployment="web", version=2, reason="x" * 999)
    (kept,) = failures.add({}, {}, failure, failures.SILENCE).bad.values()
    assert kept.reason == "x" * failures.REASON_MAX


def test_the_last_lines_are_text_and_steer_no_terminal():
    """Forty lines and four KiB at most."""
    log = b"\n".join(b"line %d" % number for number in range(100)) + b"\n\x1b[2Jend\xff"
    lines = failures.last_lines(log).splitlines()
    assert len(lines) == failures.LINES_MAX
    assert lines[-1] == "?[2Jend\N{REPLACEMENT CHARACTER}"
    assert len(failures.last_lines("ä".encode() * 9_000).encode()) <= failures.LOG_MAX
