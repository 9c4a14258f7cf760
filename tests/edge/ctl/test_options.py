"""What every command understands."""

import click
import pytest
from click.testing import CliRunner

from edge.ctl import options
from edge.ctl.options import DURATION, Chosen


@click.group()
@options.output
@options.context
@click.pass_context
def cli(ctx, context_name, output_as):
    """Stand in for `edgectl`."""
    ctx.obj = Chosen(context=context_name, output=output_as or options.TABLE)


@cli.command()
@click.argument("name", default="")
@options.shared
def show(chosen, name):
    """Print what was chosen."""
    click.echo(f"{chosen.context} {chosen.output} {name}".rstrip())


def said(*arguments):
    """Return what the command printed."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return result.output.strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "json", "--context", "lab", "show", "n1"),
        ("show", "n1", "-o", "json", "--context", "lab"),
        ("-o", "table", "--context", "x", "show", "-o", "json", "--context=lab", "n1"),
    ],
)
def test_they_stand_before_or_after_the_name(arguments):
    """The later one wins."""
    assert said(*arguments) == "lab json n1"


def test_without_them_it_is_a_table_of_the_current_fleet():
    """The usual case needs no options."""
    assert said("show") == "None table"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90.0), ("15m", 900.0), ("24h", 86400.0), ("365d", 31536000.0)],
)
def test_a_duration_is_seconds(text, seconds):
    """A unit is always written."""
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["90", "-1s", "1y", "1e9s", "", "9999999999999s"])
def test_what_is_no_duration_is_wrong_usage(text):
    """Exit 2, with an example."""
    with pytest.raises(click.BadParameter, match="write 90s"):
        DURATION.convert(text, None, None)
