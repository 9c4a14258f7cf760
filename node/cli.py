"""``edge-node``: run the daemon, or ask it what it does. Standard library only.

Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 not allowed (the fleet refused this
device), 5 hub unreachable.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from edge import joinfile
from edge.errors import (
    ConfigError,
    EdgeError,
    RequestError,
    TemporaryError,
    TrustError,
    Unreachable,
)
from edge.joinfile import JoinFile
from node import device as devices
from node import enrol, hubs, settings, status, supervisor
from node.device import Device
from node.settings import Settings

FAILURE, NOT_FOUND, NOT_ALLOWED, UNREACHABLE = 1, 3, 4, 5
RETRY_FIRST, RETRY_LAST = 1.0, 60.0
"""Seconds between tries to enrol; doubled each time, halved at random."""
LEFT_EVERY = 0.2
"""Seconds between looks whether everything is handed over."""
FLAGS = ("state", "run", "podman", "name", "hub", "uplink")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    options = _parser().parse_args(arguments)
    try:
        flags = {name: getattr(options, name) for name in FLAGS}
        chosen = settings.load(options.config, os.environ, flags)
        code = options.command(options, chosen)
    except EdgeError as error:
        print(f"edge-node: {error}", file=sys.stderr)
        code = _code(error)
    except KeyboardInterrupt:
        code = FAILURE
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-node", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="join the fleet if need be, then serve it")
    run.add_argument("--join", type=Path, help="join file, needed once")
    run.add_argument(
        "--unattended",
        action="store_true",
        help="never give up: wait for a join file, a hub, an approval",
    )
    run.set_defaults(command=_run)
    status = commands.add_parser("status", help="what this device runs and why")
    status.set_defaults(command=_status)
    events = commands.add_parser("events", help="what was decided and refused")
    events.add_argument("-n", type=int, default=50, help="how many (default 50)")
    events.set_defaults(command=_events)
    renew = commands.add_parser("renew", help="renew this device's certificate now")
    renew.set_defaults(command=_renew)
    leave = commands.add_parser("leave", help="hand over what may move, before a stop")
    leave.add_argument("--within", type=float, default=60.0, help="seconds (60)")
    leave.set_defaults(command=_leave)
    guard = commands.add_parser("guard", help="become the guard of leases (a unit)")
    guard.set_defaults(command=_guard)
    boot_ok = commands.add_parser("boot-ok", help="call this boot good, once it is")
    boot_ok.set_defaults(command=_boot_ok)
    for each in (run, status, events, renew, leave, guard, boot_ok):
        _add_common(each)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="default /etc/tutti/node.toml")
    parser.add_argument("-o", choices=("table", "json"), default="table", dest="output")
    for name in FLAGS:
        parser.add_argument(f"--{name}")


def _code(error: EdgeError) -> int:
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return NOT_ALLOWED if isinstance(error, RequestError | TrustError) else FAILURE


def _run(options: argparse.Namespace, chosen: Settings) -> int:
    with devices.locked(chosen.state):
        # Also while it joins, which may take hours: systemd would take it for stuck.
        supervisor.tell("READY=1")
        enter = _enter_unattended if options.unattended else _enter
        device = enter(options, chosen)
        from node import daemon

        return daemon.run(device, chosen)


def _enter(options: argparse.Namespace, chosen: Settings) -> Device:
    """Return this device as a member; with somebody there to read what is wrong."""
    join = _join(options.join)
    device = devices.open_device(chosen, join, os.urandom, time.time)
    device.store.sweep()
    if not device.is_enrolled:
        _enrol(device, join, chosen)
        _start_over()
    return device


def _enter_unattended(options: argparse.Namespace, chosen: Settings) -> Device:
    from node.unattended import Joining, World

    world = World(
        read=_join,
        clock=time.time,
        pause=time.sleep,
        draw=random.random,
        tell=lambda text: print(f"edge-node: {text}", file=sys.stderr),
    )
    joining = Joining(chosen, options.join, world)
    device = joining.run()
    if joining.has_enrolled:
        _start_over()
    return device


def _join(path: Path | None) -> JoinFile | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            text = file.read(joinfile.JOIN_MAX + 1).decode()
    except FileNotFoundError:
        return None  # removed after the first boot: the device is enrolled by now
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the join file {path}: {error}") from error
    return joinfile.parse(text)


def _start_over() -> NoReturn:
    """Become ourselves again, without what only enrolment needed in memory."""
    again = [sys.executable, "-m", "node.cli", *sys.argv[1:]]
    os.execv(sys.executable, again)  # noqa: S606 - ourselves


def _enrol(device: Device, join: JoinFile | None, chosen: Settings) -> None:
    if join is None:
        problem = f"cannot run: the device in {chosen.state} belongs to no fleet yet"
        raise ConfigError(f"{problem}; give it --join FILE once")
    name = chosen.name or os.uname().nodename.lower()
    pause = RETRY_FIRST
    while True:
        known = hubs.known(chosen.hub, join.hubs, device.ledger)
        try:
            url = enrol.enrol(device, join, name, hubs.candidates(join.fleet, known))
        except TemporaryError as error:
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - only spreads load
            print(f"edge-node: {error}; again in {wait:.1f} s", file=sys.stderr)
            supervisor.tell("WATCHDOG=1", f"STATUS={error}")
            time.sleep(wait)
            pause = min(2 * pause, RETRY_LAST)
        else:
            print(f"edge-node: {name} is enrolled at {url}", file=sys.stderr)
            return


def _renew(_: argparse.Namespace, chosen: Settings) -> int:
    device = devices.open_device(chosen, None, os.urandom, time.time)
    if not device.is_enrolled:
        raise ConfigError(f"cannot renew: the device in {chosen.state} is no member")
    last: EdgeError = Unreachable("cannot renew: no hub is known")
    for url in hubs.candidates(
        device.ledger.fleet, hubs.known(chosen.hub, (), device.ledger)
    ):
        try:
            enrol.renew(device, url)
        except (Unreachable, TrustError) as error:
            last = error
        else:
            return 0
    raise last


def _guard(_: argparse.Namespace, chosen: Settings) -> int:
    from node import guard

    command = guard.command(chosen.run)
    os.execv(command[0], command)  # noqa: S606 - a shell is a tenth of Python


def _boot_ok(_: argparse.Namespace, chosen: Settings) -> int:
    from node import bootcount

    if not bootcount.is_counted(Path("/")):
        print("edge-node: nobody counts the tries of this boot", file=sys.stderr)
        return 0
    bootcount.wait(chosen, time.sleep)
    bootcount.bless()
    print("edge-node: this boot is good", file=sys.stderr)
    return 0


def _leave(options: argparse.Namespace, chosen: Settings) -> int:
    pid = status.running(chosen.run)
    os.kill(pid, signal.SIGUSR1)
    print("edge-node: hands over what may move", file=sys.stderr)
    until, site = time.monotonic() + options.within, dict[str, Any]()
    while time.monotonic() < until:
        time.sleep(LEFT_EVERY)
        site = status.read(chosen.run).get("site_view", {})
        if site.get("handed_over"):
            print("edge-node: nothing that could move runs here", file=sys.stderr)
            return 0
    kept = [each["slot"] for each in site.get("slots", ()) if each["mine"]]
    problem = f"cannot hand over {', '.join(kept) or 'everything'} in time"
    raise ConfigError(f"{problem}; see edge-node status")


def _status(options: argparse.Namespace, chosen: Settings) -> int:
    now = status.read(chosen.run)
    told = json.dumps(now) if options.output == "json" else status.tell(now)
    print(told)
    return 0


def _events(options: argparse.Namespace, chosen: Settings) -> int:
    events = status.events(chosen.state)[-options.n :]
    if options.output == "json":
        print(json.dumps(events))
        return 0
    for event in events:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event["at"]))
        print(f"{at}  {event['kind']:<12} {event['subject']:<16} {event['text']}")
    return 0


if __name__ == "__main__":
    main()
