"""Says what file system a path is on, from the kernel's list of mounts (proc(5)).

Pure: the text of /proc/self/mountinfo comes in as an argument.
"""

from typing import NamedTuple

MOUNT_POINT = 4  # fields of mountinfo before the separator
SEPARATOR = " - "
ESCAPES = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}


class Mount(NamedTuple):
    """One mount: where, which file system, its options."""

    point: str
    kind: str
    options: tuple[str, ...]


def mount_of(mountinfo: str, path: str) -> Mount | None:
    """Return the mount ``path`` is on, the last one made there if several."""
    mounts = [each for line in mountinfo.splitlines() if (each := _parse(line))]
    above = [each for each in mounts if _is_at_or_below(path, each.point)]
    # Equal points: the later line covers the earlier; max() keeps the first of equals.
    return max(reversed(above), key=lambda each: len(each.point), default=None)


def _parse(line: str) -> Mount | None:
    before, found, after = line.partition(SEPARATOR)
    if not found:
        return None
    kind, _, rest = after.partition(" ")
    options = rest.rpartition(" ")[2]
    return Mount(_unescape(before.split(" ")[MOUNT_POINT]), kind, _words(options))


def _words(options: str) -> tuple[str, ...]:
    return tuple(options.split(","))


def _unescape(text: str) -> str:
    for escape, character in ESCAPES.items():
        text = text.replace(escape, character)
    return text


def _is_at_or_below(path: str, point: str) -> bool:
    return point in {"/", path} or path.startswith(f"{point}/")
