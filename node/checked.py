"""A small file that knows whether it is whole: content, then a line with its digest.

JSON that lost a bit may still be JSON: a counter that says 7 instead of 3 would have a
device refuse everything up to 7, a time floor in the next century all that is signed
until then, and another seed makes it another device. A digest is no signature: whoever
may write this disk may write the digest too.
"""

import hashlib
from pathlib import Path

from edge import files
from edge.errors import StoreError

LINE = b"\nsha256 "
END = b"\n"
DIGITS = 64
TRAILER = len(LINE) + DIGITS + len(END)


def write(path: Path, content: bytes) -> None:
    """Write durably, as `edge.files.write` does; raises what that raises."""
    files.write(path, content + _trailer(content))


def read(path: Path, *, at_most: int) -> bytes | None:
    """Return what `write` was given, None where there is no file.

    ``at_most`` is in bytes of content. Raises `StoreError` when a bit of it changed.
    """
    data = files.read(path, at_most=at_most + TRAILER)
    if data is None:
        return None
    content, trailer = data[:-TRAILER], data[-TRAILER:]
    if trailer != _trailer(content):
        raise StoreError(f"cannot use {path}: it is damaged")
    return content


def _trailer(content: bytes) -> bytes:
    return LINE + hashlib.sha256(content).hexdigest().encode() + END
