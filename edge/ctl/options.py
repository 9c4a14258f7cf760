"""What every command understands, and the kinds of values people type.

``-o json`` and ``--context`` may stand before or after the command's name.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec

import click

Arguments = ParamSpec("Arguments")

DURATION_TEXT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|w)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
TABLE, JSON = "table", "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which fleet, and how the answer is printed."""

    context: str | None = None
    output: str = TABLE

    @property
    def is_json(self) -> bool:
        """Return whether a program reads the answer."""
        return self.output == JSON


class Duration(click.ParamType[float]):
    """``90s``, ``24h``, ``365d``: seconds as a float."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; fail as wrong usage."""
        if isinstance(value, int | float):
            return float(value)
        match = DURATION_TEXT.fullmatch(str(value))
        if match is None:
            problem = f"{value!r} is no duration; write 90s, 15m, 24h or 365d"
            self.fail(problem, param, ctx)
        return float(match[1]) * SECONDS[match[2]]


DURATION = Duration()


def shared(
    command: Callable[Concatenate[Chosen, Arguments], None],
) -> Callable[..., None]:
    """Give a command ``-o`` and ``--context``, and `Chosen` as its first argument."""

    @output
    @context
    @click.pass_context
    @functools.wraps(command)
    def run(
        ctx: click.Context, /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> None:
        first = ctx.find_object(Chosen) or Chosen()
        chosen = Chosen(
            context=str(name)
            if (name := kwargs.pop("context_name"))
            else first.context,
            output=str(kwargs.pop("output_as") or first.output),
        )
        command(chosen, *args, **kwargs)

    return run


def output(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``-o``."""
    return click.option(
        "-o",
        "--output",
        "output_as",
        type=click.Choice([TABLE, JSON]),
        help="How to print the answer.",
    )(command)


def context(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--context``."""
    return click.option(
        "--context", "context_name", metavar="NAME", help="Which fleet to talk to."
    )(command)
