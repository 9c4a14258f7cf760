"""What others wrote acts on no terminal, orders no systemd, is no line of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import legible
from edge.ctl import render


@pytest.mark.parametrize(
    "text",
    ["\x1b[2Jall is well", "a\rb", "\x9b31m", "x\u202egnp.exe", "a\u2028b", "\x00"],
)
def test_what_moves_the_cursor_or_turns_text_is_replaced(text):
    """A device's reason is shown, it does not act."""
    found = legible.plain(text)
    assert len(found) == len(text)
    assert legible.INSTEAD in found
    assert found.isprintable()


def test_other_languages_are_plain_text():
    """Only what acts is replaced."""
    assert legible.plain("Zürich 東京 → ✓") == "Zürich 東京 → ✓"


def test_a_cell_has_one_line():
    """A new line in a reason would look like another row."""
    text = render.table(("A", "B"), [("x\nn9  ready", "y")])
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    "text", ["a\x1b[2Jb", "a\nb", "a\r\nb", "a\u2028b", "a\u202eb", "a\x9bb", "a\0b"]
)
def test_what_acts_is_a_blank(text):
    """Cursor, colour, direction, line ends."""
    assert legible.line(text).startswith("a ")


def test_rows_of_blanks_do_not_make_a_line():
    """Eighty of them would, on a terminal."""
    assert legible.line("closed" + " " * 80 + "device d-1") == "closed device d-1"


def test_other_languages_stay_in_a_line():
    """Only what acts is replaced."""
    assert legible.line("Zürich 東京 → ✓") == "Zürich 東京 → ✓"


@given(st.text(max_size=2000))
def test_there_is_one_line_and_it_ends(text):
    """Whatever a stranger sends, and however often it is passed on."""
    found = legible.line(text, 100)
    assert len(found) <= 100
    assert found == "" or found.isprintable()
    assert len(found.splitlines()) <= 1
    assert legible.line(found, 100) == found
