"""Say things at a terminal: data to stdout, everything for people to stderr.

What a hub, a device or a registry wrote may hold bytes that move the cursor, colour
the screen or turn text around, and so make a terminal show what is not so. Whatever
is not plain text is replaced before it gets there.
"""

import re

import click

# C0, C1 and the characters that turn the direction of text (Unicode TR 36).
ODD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
INSTEAD = "�"


def plain(text: str) -> str:
    """Return one line of plain text."""
    return ODD.sub(INSTEAD, text)


def show(text: str) -> None:
    """Print data, which may have several lines."""
    click.echo("\n".join(plain(line) for line in text.split("\n")))


def tell(text: str) -> None:
    """Print a sentence for people."""
    click.echo(plain(text), err=True)
