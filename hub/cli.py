"""``edge-hub``: make a hub, run it, ask what it is.

Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failure, 2 usage,
3 there is no hub in the folder.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edge.errors import ConfigError, EdgeError
from hub import settings
from hub.settings import FILE, Settings

FAILURE, NOT_FOUND = 1, 3
FLAGS = {
    "state": "folder of keys and database (default /var/lib/tutti-hub)",
    "url": "https://host:port as devices and operators reach the hub",
    "listen": "address, address:port or :port of the API (default :8443)",
    "broker": "mqtts://host:port as devices reach the broker (default: its own)",
    "broker_listen": "address, address:port or :port of its own broker",
    "mosquitto": "program to start as its own broker (default mosquitto)",
}
CODE_BYTES = 15  # 120 bits: nobody guesses it
ROOT = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
PRIVATE = 0o077  # nobody else reads what is made from here on


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    options = _parser().parse_args(arguments)
    os.umask(PRIVATE)
    try:
        flags = {name: getattr(options, name) for name in FLAGS}
        code = options.command(options, settings.load(os.environ, flags))
    except* EdgeError as errors:
        for error in _flat(errors):
            print(f"edge-hub: {error}", file=sys.stderr)
        code = FAILURE
    except* KeyboardInterrupt:
        code = FAILURE
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-hub",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="make the keys and database of a new hub")
    init.add_argument(
        "--root",
        metavar="FINGERPRINT",
        help="only the fleet with this root may adopt the hub; no code is needed then",
    )
    init.set_defaults(command=_init)
    run = commands.add_parser("run", help="serve until SIGTERM")
    run.set_defaults(command=_run)
    status = commands.add_parser("status", help="what this hub is, and who adopted it")
    status.set_defaults(command=_status)
    broker = commands.add_parser(
        "broker", help="write what a broker of your own needs to serve the fleet"
    )
    broker.add_argument("folder", type=Path, help="where to write it")
    broker.add_argument("host", nargs="+", help="names or addresses it is reached by")
    broker.set_defaults(command=_broker)
    for command in (init, run, status, broker):
        for name, text in FLAGS.items():
            command.add_argument(f"--{name.replace('_', '-')}", help=text)
        command.add_argument("-o", choices=("table", "json"), default="table", dest="o")
    return parser


def _init(options: argparse.Namespace, chosen: Settings) -> int:
    """Make a hub in a folder that holds none, or only the beginning of one."""
    from edge import files
    from hub import adoption, identity
    from hub.daemon import DATABASE
    from hub.records import Batch
    from hub.store import Store
    from netmesh import discovery

    own = discovery.own_addresses()
    chosen = _with_url(chosen, own)
    root = _root(options.root)
    identity.prepare(chosen.state, chosen.names(own), time.time())
    files.remove(chosen.state / DATABASE)
    code = "" if root else secrets.token_urlsafe(CODE_BYTES)
    store = Store(chosen.state / DATABASE)
    store.commit(Batch(meta={adoption.ROOT: root, adoption.CODE: code}))
    store.close()
    files.write(chosen.state / FILE, settings.render(chosen).encode())
    me = identity.finish(chosen.state)
    print(f"made a hub in {chosen.state}; start it with edge-hub run", file=sys.stderr)
    _print(options, chosen, _word(chosen, identity.fingerprint(me), code))
    return 0


def _run(_options: argparse.Namespace, chosen: Settings) -> int:
    from hub import daemon, identity

    if not identity.exists(chosen.state):
        return _nothing(chosen)
    asyncio.run(daemon.run(_with_url(chosen, ())))
    return 0


def _status(options: argparse.Namespace, chosen: Settings) -> int:
    from hub import adoption, daemon, identity
    from hub.state import FLEET
    from hub.store import Store

    if not identity.exists(chosen.state):
        return _nothing(chosen)
    store = Store(chosen.state / daemon.DATABASE)
    meta = store.meta()
    store.close()
    me = identity.load(chosen.state)
    word = _word(chosen, identity.fingerprint(me), meta.get(adoption.CODE, ""))
    _print(
        options,
        chosen,
        {
            **word,
            "key": me.key.public,
            "fleet": meta.get(FLEET, ""),
            "running": _is_running(chosen),
        },
    )
    return 0


def _broker(options: argparse.Namespace, chosen: Settings) -> int:
    """Write certificate, revocation list and rules; Mosquitto can use the folder."""
    from edge import files
    from hub import daemon, export, identity
    from hub.store import Store

    if not identity.exists(chosen.state):
        return _nothing(chosen)
    store = Store(chosen.state / daemon.DATABASE)
    try:
        me = identity.load(chosen.state)
        written = export.broker(me, store, options.host, time.time())
    finally:
        store.close()
    for name, content in written.items():
        files.write(options.folder / name, content)
    print(f"wrote {', '.join(sorted(written))} to {options.folder}", file=sys.stderr)
    return 0


def _is_running(chosen: Settings) -> bool:
    from hub import daemon

    try:
        with daemon.locked(chosen.state):
            return False
    except ConfigError:
        return True


def _with_url(chosen: Settings, own: tuple[str, ...]) -> Settings:
    """Return settings that say where the hub is reached."""
    from dataclasses import replace

    if chosen.url:
        return chosen
    place = chosen.api
    host = place.host
    if host in settings.EVERYWHERE:
        host = own[0] if own else settings.LOOPBACK[0]
    return replace(chosen, url=f"https://{settings.bracketed(host)}:{place.port}")


def _root(text: str | None) -> str:
    """Return the fingerprint of a root key set, "" for none."""
    if text is None:
        return ""
    match = ROOT.fullmatch(text.strip().lower())
    if match is None:
        problem = f"cannot wait for the root {text!r}: it is sha256: and 64 digits"
        raise ConfigError(f"{problem}; `edgectl fleet init` showed it")
    return f"sha256:{match[1]}"


def _word(chosen: Settings, shown: str, code: str) -> dict[str, object]:
    return {
        "fingerprint": f"{shown}:{code}" if code else shown,
        "url": chosen.url,
        "broker": chosen.broker_url,
        "state": str(chosen.state),
    }


def _print(
    options: argparse.Namespace, chosen: Settings, word: dict[str, object]
) -> None:
    if options.o == "json":
        print(json.dumps(word))
        return
    for key, value in word.items():
        print(f"{key:12} {value}")
    if not word.get("fleet"):
        print(
            f"adopt it with: edgectl hub adopt {chosen.url} "
            f"--fingerprint {word['fingerprint']}",
            file=sys.stderr,
        )


def _nothing(chosen: Settings) -> int:
    problem = f"cannot find a hub in {chosen.state}; run `edge-hub init`"
    print(f"edge-hub: {problem}", file=sys.stderr)
    return NOT_FOUND


def _flat(errors: BaseExceptionGroup[EdgeError]) -> list[EdgeError]:
    """Return the errors inside a group of groups."""
    found: list[EdgeError] = []
    for each in errors.exceptions:
        if isinstance(each, BaseExceptionGroup):
            found += _flat(each)
        else:
            found.append(each)
    return found


if __name__ == "__main__":
    main()
