"""Say things at a terminal: data to stdout, everything for people to stderr.

Only plain text gets there (`edge.legible`).
"""

import click

from edge.legible import plain


def show(text: str) -> None:
    """Print data, which may have several lines."""
    click.echo("\n".join(plain(line) for line in text.split("\n")))


def tell(text: str) -> None:
    """Print a sentence for people."""
    click.echo(plain(text), err=True)
