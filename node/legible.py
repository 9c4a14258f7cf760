"""Words of others, fit to be passed on: one line that says something and does nothing.

A device that joins shows what a hub answered before anyone vouches for that hub. Raw,
such an answer could paint a second fingerprint on the console, which an operator then
approves, or give systemd orders of its own. Standard library only, and little of it:
the console stays small.
"""

LONG = 400
"""Characters; the longest reason of ours has half of them, and sixteen hubs fit."""
MORE = "…"


def line(text: str, at_most: int = LONG) -> str:
    """Return one line of printable text, with single blanks, cut where it is long.

    Rows of blanks go as well: on a terminal they reach the next line.
    """
    start = text[: 4 * at_most]  # nobody counts the words of a megabyte
    shown = "".join(each if each.isprintable() else " " for each in start)
    words = " ".join(shown.split())
    return words if len(words) <= at_most else words[: at_most - 1] + MORE
