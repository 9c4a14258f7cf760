"""Files that people wrote for edgectl: manifests, join files, network settings."""

from pathlib import Path

from edge import files, manifest
from edge.ctl.exits import not_found
from edge.errors import ConfigError, EdgeError, ManifestError
from edge.manifest import Manifest

MANIFEST_MAX = 1024 * 1024
"""Bytes read of a manifest; the parser's own limit is lower and says so."""


def read(path: Path, at_most: int, error: type[EdgeError] = ConfigError) -> str:
    """Return the text of a file, without the mark that some editors put first.

    Raises:
        EdgeError: it is not there or larger than ``at_most`` bytes; ``error`` when it
            is no text.
    """
    content = files.read(path, at_most=at_most)
    if content is None:
        raise not_found(f"cannot read {path}: there is no such file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        told = f"cannot read {path}: it is not UTF-8 text ({problem.reason})"
        raise error(told) from problem


def manifest_in(path: Path) -> Manifest:
    """Return what a manifest says; raise what `read` and `manifest.parse` raise."""
    return manifest.parse(read(path, MANIFEST_MAX, ManifestError), file=str(path))
