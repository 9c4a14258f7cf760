"""Words of others, fit to be shown and passed on: they say something and do nothing.

What a hub, a device, a registry or a stranger wrote may hold bytes that move the
cursor, colour the screen or turn text around, and so make a terminal show what is not
so: a second fingerprint, which an operator then approves. It may order systemd about,
or look like a line of ours in a log. Standard library only: a console stays small.
"""

INSTEAD = "�"
LONG = 400
"""Characters; the longest reason of ours has half of them, and sixteen hubs fit."""
MORE = "…"


def plain(text: str) -> str:
    """Return one line of as many characters, with a mark for each that might act."""
    return "".join(each if each.isprintable() else INSTEAD for each in text)


def line(text: str, at_most: int = LONG) -> str:
    """Return one line of printable text, with single blanks, cut where it is long.

    Rows of blanks go as well: on a terminal they reach the next line.
    """
    start = text[: 4 * at_most]  # nobody counts the words of a megabyte
    shown = "".join(each if each.isprintable() else " " for each in start)
    words = " ".join(shown.split())
    return words if len(words) <= at_most else words[: at_most - 1] + MORE
