"""``edge-hub run``: settings, keys, database, API, broker, and the loops between them.

Before an operator adopts the hub it only answers who it is and takes the first trust
documents; afterwards the broker's side starts, without a restart. Every loop looks at
the state anew, so whatever a crash interrupted is done after the next start.
"""

import asyncio
import fcntl
import hashlib
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom

from edge.errors import ConfigError, EdgeError
from edge.names import FleetName
from edge.trust.judge import AHEAD_MAX
from hub import identity, web
from hub.api import Api, Word
from hub.archive import Archive
from hub.desk import Desk
from hub.link import Link
from hub.settings import EVERYWHERE, Settings
from hub.state import State
from hub.store import Store
from netmesh import discovery
from netmesh.discovery import Announcement

DATABASE, LOCK = "hub.db", "hub.lock"
FLUSH_EVERY = 1.0
"""Seconds until what devices said is on disk; they would say it again."""
DECIDE_EVERY = 60.0
"""Seconds after which the fleet is looked at although nothing seems to have changed."""
DECIDE_AFTER = 0.1
"""Seconds after a decision until the next that a rollout asks for, at the earliest."""
WAIT_LOOK = 1.0
"""Seconds between looks whether a restored hub may go on."""
REST = 2.0
"""Times as long as a decision took, until the next that nobody waits for."""
UPKEEP_EVERY = 24 * 3600.0
AGAIN_AFTER = 1.0
DAY = 24 * 3600.0


def say(text: str) -> None:
    """Tell the log."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the journal reads it


async def run(settings: Settings) -> None:
    """Run the hub until SIGTERM or SIGINT; raise `ConfigError` if it cannot start."""
    with locked(settings.state):
        me = identity.load(settings.state)
        own = discovery.own_addresses()
        me = identity.with_server(me, settings.names(own), time.time())
        async with Archive(Store(settings.state / DATABASE)) as archive:
            life = settings.certificate_days * DAY
            desk = Desk(me, archive, time.time, life)
            await desk.open()
            check_clock(desk.state, time.time())
            await _serve(settings, desk)
            await desk.flush()


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the state folder; raise `ConfigError` while another hub does."""
    try:
        with (state / LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        problem = f"cannot run a hub from {state}: one is running already"
        raise ConfigError(problem) from error
    except FileNotFoundError as error:
        problem = f"cannot find a hub in {state}; run `edge-hub init`"
        raise ConfigError(problem) from error


def check_clock(state: State, now: float) -> None:
    """Refuse to start in a past that the fleet has left; a broker there lets nobody in.

    A day is granted: so far may an operator's clock be ahead.
    """
    floor = state.ledger.floor - AHEAD_MAX
    if now < floor:
        here, there = (datetime.fromtimestamp(at, UTC).date() for at in (now, floor))
        problem = f"cannot start: this clock says {here}, the fleet had {there} already"
        raise ConfigError(f"{problem}; set the clock (is NTP running?), then start")


async def _serve(settings: Settings, desk: Desk) -> None:
    said = Word(url=settings.url, broker=settings.broker_url, version=version("tutti"))
    api = Api(desk, said)
    context = identity.server_context(desk.identity)
    listening = web.bind(settings.api.host, settings.api.port)
    stop = _stop_signal()
    async with web.serving(api.app, listening, context):
        say(f"serving {settings.url} from {settings.state}")
        if not desk.state.is_adopted:
            shown = identity.fingerprint(desk.identity)
            shown += f":{desk.code}" if desk.code else ""
            say(f"adopt it: edgectl hub adopt {settings.url} --fingerprint {shown}")
        link = Link(desk=desk, settings=settings, rng=SystemRandom(), say=say)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(each)
                for each in (
                    _flushing(desk),
                    _deciding(desk),
                    _upkeep(desk, settings, context),
                    _announcing(desk, settings),
                    link.run(),
                )
            ]
            await stop.wait()
            api.poll.close()
            for task in tasks:
                task.cancel()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _flushing(desk: Desk) -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY)
        await _tried(desk.flush)


async def _deciding(desk: Desk) -> None:
    """Decide when asked to, and now and then; never more than a third of the time."""
    loop = asyncio.get_running_loop()
    due = desk.agenda.to_decide
    while True:
        try:
            async with asyncio.timeout(patience(desk)):
                await due.wait()
        except TimeoutError:
            pass
        due.clear()
        began = loop.time()
        if not await _tried(desk.decide):
            due.set()
        await asyncio.sleep((loop.time() - began) * REST)


def patience(desk: Desk) -> float:
    """Return the seconds until the next decision that nobody asks for."""
    if desk.state.recovery.is_asking:
        return WAIT_LOOK
    at = desk.state.decides_at
    left = DECIDE_EVERY if at is None else at - desk.clock()
    return min(max(left, DECIDE_AFTER), DECIDE_EVERY)


async def _upkeep(desk: Desk, settings: Settings, context: ssl.SSLContext) -> None:
    """Once a day: a fresh server certificate if due, and no certificates of old."""
    while True:
        await asyncio.sleep(UPKEEP_EVERY)
        names = settings.names(discovery.own_addresses())
        desk.identity = identity.with_server(desk.identity, names, time.time())
        identity.show(context, desk.identity)
        desk.agenda.to_admit.set()
        await _tried(lambda: desk.archive.forget_certificates(time.time()))


async def _announcing(desk: Desk, settings: Settings) -> None:
    await desk.adopted.wait()
    if not settings.announce:
        return
    place = settings.api
    key = desk.identity.key.public.encode()
    announcement = Announcement(
        fleet=FleetName(desk.state.ledger.fleet),
        instance=hashlib.sha256(key).hexdigest()[:8],
        port=place.port,
        addresses=() if place.host in EVERYWHERE else (place.host,),
    )
    await discovery.advertise(announcement)


async def _tried(step: Callable[[], Awaitable[None]]) -> bool:
    """Take a step that may fail for the world's reasons; the loop goes on."""
    try:
        await step()
    except EdgeError as error:
        say(str(error))
        await asyncio.sleep(AGAIN_AFTER)
        return False
    return True
