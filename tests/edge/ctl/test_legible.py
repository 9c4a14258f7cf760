"""What others wrote cannot make a terminal show what is not so."""

import pytest

from edge.ctl import legible, render


@pytest.mark.parametrize(
    "text",
    ["\x1b[2Jall is well", "a\rb", "\x9b31m", "x\u202egnp.exe", "a\u2028b", "\x00"],
)
def test_what_moves_the_cursor_or_turns_text_is_replaced(text):
    """A device's reason is shown, it does not act."""
    found = legible.plain(text)
    assert len(found) == len(text)
    assert legible.INSTEAD in found
    assert legible.ODD.search(found) is None


def test_other_languages_are_plain_text():
    """Only what acts is replaced."""
    assert legible.plain("Zürich 東京 → ✓") == "Zürich 東京 → ✓"


def test_a_cell_has_one_line():
    """A new line in a reason would look like another row."""
    text = render.table(("A", "B"), [("x\nn9  ready", "y")])
    assert len(text.splitlines()) == 2
