"""When a change may begin: windows that open by a crontab, in a zone of the world.

Each device begins at a moment of its own within ``spread``, which follows from its
name, and may begin until the window has been open for ``lasts`` seconds.

Summer time: a time that the clock skips counts as if it had not been skipped (02:30
becomes 03:30), so a daily window opens every day; a time that comes twice opens the
window once, the first time. ``lasts`` and ``spread`` are seconds that really pass.

The names of zones come from the time zone database of whoever asks. Who does not know
the zone has the window closed; ``UTC`` is known to all.
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from edge.staging import crontab
from edge.staging.shapes import WHOLE, Window
from edge.staging.waves import lot

DAY = 86_400.0
LASTS_MIN = 60.0  # crontab counts minutes
LASTS_MAX = 31 * DAY
YEARS_MAX = 41
"""29 February falls on a given weekday again after 40 years at most."""


def is_open(window: Window, at: float, node: str) -> bool:
    """Return whether the device may begin at ``at``, seconds since the epoch."""
    began = began_at(window, at)
    return began is not None and at >= began + own_delay(window, node)


def own_delay(window: Window, node: str) -> float:
    """Return how many seconds after the opening the device may begin."""
    return window.spread * lot(window.opens, node) / WHOLE


def began_at(window: Window, at: float) -> float | None:
    """Return when the window that is open at ``at`` opened, None when none is."""
    zone = _zone(window.zone)
    if zone is None:
        return None
    last = _date(at, zone)
    first = _date(max(0.0, at - window.lasts), zone) - timedelta(days=1)
    for back in range((last - first).days + 1):
        openings = _openings(window.opens, window.zone, last - timedelta(days=back))
        for opened in reversed(openings):
            if opened <= at < opened + window.lasts:
                return opened
    return None


def opens_next(window: Window, after: float) -> float | None:
    """Return when it opens next, later than ``after``; None for never."""
    zone = _zone(window.zone)
    if zone is None:
        return None
    day = _date(after, zone)
    for _ in range(YEARS_MAX * 366):
        for opened in _openings(window.opens, window.zone, day):
            if opened > after:
                return opened
        day += timedelta(days=1)
    return None


def is_zone(name: str) -> bool:
    """Return whether the time zone database at hand has the zone."""
    return _zone(name) is not None


def problem(window: Window) -> str:
    """Return why the window cannot be used here, a sentence, or ""."""
    if said := malformed(window):
        return said
    if not is_zone(window.zone):
        return f"nobody here knows the zone {window.zone!r}; write one as Europe/Berlin"
    return ""


def malformed(window: Window) -> str:
    """Return what is wrong with the window wherever it is read, a sentence, or ""."""
    try:
        read = crontab.read(window.opens)
    except ValueError as error:
        return str(error)
    if read.is_never:
        return f"{window.opens!r} never opens: no year has such a day"
    if not LASTS_MIN <= window.lasts <= LASTS_MAX:
        return f"a window lasts from 60 s to 31 days, not {window.lasts:g} s"
    if window.spread >= window.lasts:
        return (
            f"spread ({window.spread:g} s) must be shorter than what the window "
            f"lasts ({window.lasts:g} s), or some devices never begin"
        )
    return ""


@lru_cache(maxsize=256)
def _openings(opens: str, zone: str, day: date) -> tuple[float, ...]:
    """Return the openings of one day, ascending."""
    schedule, known = crontab.read(opens), _zone(zone)
    if known is None or not schedule.holds(day):
        return ()
    times = (divmod(minutes, 60) for minutes in schedule.times)
    return tuple(
        sorted(
            datetime(day.year, day.month, day.day, *time, tzinfo=known).timestamp()
            for time in times
        )
    )


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Not there; not a name; a folder of the database.
        return None


def _date(at: float, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at, zone).date()
