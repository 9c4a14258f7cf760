"""Programs and people are each told where they listen."""

from edge import legible
from edge.ctl import terminal


def test_data_and_sentences_go_their_own_ways(capsys):
    """Programs read stdout, people stderr."""
    terminal.show("a\nb")
    terminal.tell("c\nd")
    captured = capsys.readouterr()
    assert captured.out == "a\nb\n"
    assert captured.err == f"c{legible.INSTEAD}d\n"
