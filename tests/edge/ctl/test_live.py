"""A picture drawn over itself, and a log of what is new."""

import io

from edge import legible
from edge.ctl import live
from edge.ctl.live import Log, Screen


def drawn(*pictures, size=(80, 24)):
    """Return what a terminal is sent for these pictures, one after the other."""
    out = io.StringIO()
    screen = Screen(out, lambda: size)
    for each in pictures:
        screen.show(each, ())
    return out.getvalue()


def test_a_picture_is_drawn_over_the_one_before():
    """As many lines up as were drawn; what is left of them is cleared."""
    assert drawn(["a", "b"], ["c"]) == "\x1b[Ja\nb\n\x1b[2F\x1b[Jc\n"


def test_a_line_is_cut_to_the_width():
    """One that wraps would be drawn over by one line too few."""
    assert drawn(["abcdefgh"], size=(6, 24)) == "\x1b[Jabcd…\n"
    assert drawn(["abcde"], size=(6, 24)) == "\x1b[Jabcde\n"


def test_what_does_not_fit_is_counted():
    """The screen never scrolls."""
    assert drawn(["a", "b", "c", "d"], size=(80, 4)) == (
        "\x1b[Ja\nb\n  and 2 more lines\n"
    )
    assert list(live.fitted(["a", "b"], 0)) == ["a", "  and 1 more lines"]


def test_what_others_wrote_moves_no_cursor():
    """A device's reason may hold anything."""
    assert drawn(["x\x1b[2J"]) == f"\x1b[Jx{legible.INSTEAD}[2J\n"


def test_a_log_says_what_is_new():
    """A line that stays is said once, one that comes again is said again."""
    told: list[str] = []
    log = Log(told.append)
    log.show((), ["a", "b"])
    log.show((), ["a", "c"])
    log.show((), ["b"])
    assert told == ["  a", "  b", "  c", "  b"]
    assert not log.is_live


def test_without_a_terminal_it_is_a_log():
    """Under pytest nobody is at a terminal."""
    assert isinstance(live.view(), Log)
