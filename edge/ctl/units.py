"""Sizes and durations as people write them in a manifest, exactly or roughly.

`size` and `duration` lose nothing: what they return, typed into a manifest, is the same
value again. `about` and `span` are for reading only.
"""

from edge.model import MIB

SIZES = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))
TIMES = ((3600, "h"), (60, "m"), (1, "s"))
TENTHS_BELOW = 10  # from there on a digit behind the point says nothing


def size(count: int) -> str:
    """Return bytes in the largest unit that says them exactly: ``32MiB``."""
    for unit, name in SIZES:
        if count and count % unit == 0:
            return f"{count // unit}{name}"
    return str(count)


def duration(seconds: float) -> str:
    """Return seconds in the largest unit that says them exactly: ``90s``, ``500ms``."""
    for unit, name in TIMES:
        if seconds and seconds % unit == 0:
            return f"{int(seconds // unit)}{name}"
    thousandths = seconds * 1000
    if seconds and thousandths == int(thousandths):
        return f"{int(thousandths)}ms"
    return f"{number(seconds)}s"


def number(value: float) -> str:
    """Return a number without a needless ``.0``."""
    return repr(value).removesuffix(".0")


def about(count: int) -> str:
    """Return bytes roughly: ``0 MiB``, ``3.4 MiB``, ``120 MiB``."""
    mib = count / MIB
    return f"{mib:.1f} MiB" if 0 < mib < TENTHS_BELOW else f"{mib:.0f} MiB"


def span(seconds: float) -> str:
    """Return seconds roughly, in one or two units: ``42 s``, ``3 min 20 s``."""
    whole = max(0, round(seconds))
    if whole < TIMES[1][0] * 2:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60 * 2:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
