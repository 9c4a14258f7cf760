"""A picture on a terminal that is drawn over itself, and a log where there is none.

What does not fit is counted, not scrolled: a screen that moves cannot be read. Every
line is cut to the width, because a line that wraps would be drawn over by one too few.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

from edge.ctl import terminal
from edge.legible import plain

UP, CLEAR = "\x1b[{}F", "\x1b[J"
MARGIN = 1  # lines of the screen left for the prompt
CUT = "…"


class View(Protocol):
    """Where a rollout is shown."""

    @property
    def is_live(self) -> bool:
        """Return whether it shows time passing."""

    def show(self, picture: Sequence[str], news: Sequence[str]) -> None:
        """Show the state: ``picture`` is all of it, ``news`` what a log says."""


class Log:
    """Lines on stderr, each when it is new."""

    is_live = False

    def __init__(self, tell: Callable[[str], None] = terminal.tell) -> None:
        """Begin with nothing said."""
        self._tell = tell
        self._said: tuple[str, ...] = ()

    def show(self, picture: Sequence[str], news: Sequence[str]) -> None:  # noqa: ARG002
        """Print the lines that were not there the last time."""
        for line in news:
            if line not in self._said:
                self._tell(f"  {line}")
        self._said = tuple(news)


class Screen:
    """A terminal, drawn over; what is drawn last stays."""

    is_live = True

    def __init__(
        self,
        out: TextIO,
        size: Callable[[], tuple[int, int]] = shutil.get_terminal_size,
    ) -> None:
        """``size`` returns columns and lines."""
        self._out = out
        self._size = size
        self._drawn = 0

    def show(self, picture: Sequence[str], news: Sequence[str]) -> None:  # noqa: ARG002
        """Draw the picture where the last one was."""
        columns, rows = self._size()
        lines = [_cut(plain(line), columns) for line in fitted(picture, rows - MARGIN)]
        up = UP.format(self._drawn) if self._drawn else ""
        self._out.write(f"{up}{CLEAR}" + "".join(f"{line}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)


def view() -> View:
    """Return where people look: their terminal, or a log of what is new."""
    return Screen(sys.stderr) if sys.stderr.isatty() else Log()


def fitted(lines: Sequence[str], room: int) -> Sequence[str]:
    """Return as many lines as there is room for, and how many more there are."""
    if len(lines) <= room:
        return lines
    kept = max(1, room - 1)
    return [*lines[:kept], f"  and {len(lines) - kept} more lines"]


def _cut(line: str, columns: int) -> str:
    return line if len(line) < columns else f"{line[: columns - 2]}{CUT}"
