"""What others wrote cannot make a terminal show what is not so."""

import pytest

from edge.ctl import render, terminal


@pytest.mark.parametrize(
    "text",
    ["\x1b[2Jall is well", "a\rb", "\x9b31m", "x\u202egnp.exe", "a\u2028b", "\x00"],
)
def test_what_moves_the_cursor_or_turns_text_is_replaced(text):
    """A device's reason is shown, it does not act."""
    found = terminal.plain(text)
    assert len(found) == len(text)
    assert terminal.INSTEAD in found
    assert terminal.ODD.search(found) is None


def test_other_languages_are_plain_text():
    """Only what acts is replaced."""
    assert terminal.plain("Zürich 東京 → ✓") == "Zürich 東京 → ✓"


def test_a_cell_has_one_line():
    """A new line in a reason would look like another row."""
    text = render.table(("A", "B"), [("x\nn9  ready", "y")])
    assert len(text.splitlines()) == 2


def test_data_and_sentences_go_their_own_ways(capsys):
    """Programs read stdout, people stderr."""
    terminal.show("a\nb")
    terminal.tell("c\nd")
    captured = capsys.readouterr()
    assert captured.out == "a\nb\n"
    assert captured.err == f"c{terminal.INSTEAD}d\n"
