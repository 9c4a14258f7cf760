"""A progress bar for whoever waits at a terminal, a line for each step otherwise."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from edge.ctl import terminal
from edge.legible import plain

Report = Callable[[str, float], None]
STEPS = 1000
"""What the bar counts to; finer than any terminal is wide."""
WIDTH = 24
LONGEST = 40
"""Characters of what is being done; names of packages are longer."""


@contextmanager
def shown(label: str) -> Iterator[Report]:
    """Give a function that is told what is done, and how much of all: 0 to 1."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    with click.progressbar(
        length=STEPS,
        label=label,
        file=sys.stderr,
        width=WIDTH,
        item_show_func=lambda what: plain(what or "")[:LONGEST],
    ) as bar:

        def report(what: str, share: float) -> None:
            bar.update(max(0, round(share * STEPS) - bar.pos), what)

        yield report


def _lines() -> Report:
    """Say each kind of step once: the log of a script stays short."""
    said: set[str] = set()

    def report(what: str, _share: float) -> None:
        kind = what.partition(" ")[0]
        if kind and kind not in said:
            said.add(kind)
            terminal.tell(what)

    return report
