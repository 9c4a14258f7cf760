"""The broker is wiped (``kill -9``, database deleted) under three working devices.

*In sync* is when the broker again holds every retained topic it held before, and every
device says *online* there. It is read from the broker's own database, which it writes
out on SIGUSR1: no client of ours looks, so none disturbs. Meanwhile no container may
restart: same container, same start, same process.
"""

import argparse
import os
import signal
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.bench import fleet as fleets
from tests.bench import measure, usage
from tests.bench.fleet import Fleet
from tests.bench.measure import BenchFailed, Figure, Report, Target

NODES = 3
AT_MOST = 10.0
WITHIN = 60.0
LOOK_EVERY = 0.05
SETTLE_FOR = 3.0
APART = 31.0
"""Seconds between rounds: the hub starts a broker that keeps dying less and less often,
and after 30 s of life a death counts as the first again."""
NAME = "bench"
DATABASE = "mosquitto.db"
STATUS, ONLINE = "/status", b"online"

# Mosquitto's own file, version 6 (src/persist.h of 2.0): numbers are big-endian, IDs as
# the machine has them.
MAGIC = b"\x00\xb5\x00mosquitto db"
HEADER = len(MAGIC) + 8  # a checksum and the version follow the magic
CHUNK = struct.Struct(">II")
MESSAGE = struct.Struct(">8sqIHHHHHBB")
STORED, RETAINED = 2, 4


def options(parser: argparse.ArgumentParser) -> None:
    """Say how often."""
    parser.add_argument("--rounds", type=int, default=5)


def measured(chosen: argparse.Namespace) -> Report:
    """Wipe it a few times."""
    with fleets.fleet("--nodes", str(NODES)) as fleet:
        fleet.edgectl("deploy", fleet.web(NAME, NODES, health=True), "--yes")
        took = [_turn(fleet, number) for number in range(chosen.rounds)]
    figure = Figure(what="wiped → in sync", who="tutti", unit="s", values=tuple(took))
    return Report(
        bench="broker",
        figures=(figure,),
        targets=(
            Target(
                what="wiped → in sync, the worst",
                value=figure.most,
                at_most=AT_MOST,
                unit="s",
            ),
        ),
        notes=("no container restarted in any round: same IDs, starts, processes",),
    )


def retained(content: bytes) -> dict[str, bytes]:
    """Return topic → payload of what a Mosquitto database holds retained."""
    if not content.startswith(MAGIC):
        raise BenchFailed("cannot read the broker's database: another version wrote it")
    messages: dict[bytes, tuple[str, bytes]] = {}
    kept: list[bytes] = []
    for kind, body in _chunks(content):
        if kind == STORED:
            number, topic, payload = _message(body)
            messages[number] = (topic, payload)
        elif kind == RETAINED:
            kept.append(body[:8])
    return dict(messages[number] for number in kept if number in messages)


def _turn(fleet: Fleet, number: int) -> float:
    time.sleep(APART)
    before = _identities(fleet)
    wanted = set(_held(fleet))
    began = time.time()
    os.kill(_broker(fleet), signal.SIGKILL)
    _database(fleet).unlink(missing_ok=True)
    while not _is_in_sync(fleet, wanted):
        if time.time() - began > WITHIN:
            missing = sorted(wanted - set(_held(fleet)))
            raise BenchFailed(f"not in sync after {WITHIN:g} s: {missing}")
        time.sleep(LOOK_EVERY)
    took = time.time() - began
    time.sleep(SETTLE_FOR)
    if _identities(fleet) != before:
        raise BenchFailed("a container was restarted")
    measure.progress(f"turn {number}: {took:.2f} s, {len(wanted)} topics")
    return took


def _is_in_sync(fleet: Fleet, wanted: set[str]) -> bool:
    held = _held(fleet)
    states = [payload for topic, payload in held.items() if topic.endswith(STATUS)]
    is_online = sum(ONLINE in state for state in states) == NODES
    return wanted <= held.keys() and is_online


def _held(fleet: Fleet) -> dict[str, bytes]:
    """Have the broker write its database and return what it retains, {} if it is away.

    What is read may be the last write but one: it is asked again soon.
    """
    with suppress(BenchFailed, ProcessLookupError, FileNotFoundError):
        os.kill(_broker(fleet), signal.SIGUSR1)
        time.sleep(LOOK_EVERY)
        return retained(_database(fleet).read_bytes())
    return {}


def _broker(fleet: Fleet) -> int:
    for pid in usage.named("mosquitto", str(fleet.layout.hub.state)):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "mosquitto":
            return pid
    raise BenchFailed("no broker runs")


def _database(fleet: Fleet) -> Path:
    """Return where the database is or will be: beside its folder's configuration."""
    found = next(fleet.layout.hub.state.rglob("mosquitto.conf"))
    for line in found.read_text().splitlines():
        if line.startswith("persistence_location "):
            return Path(line.partition(" ")[2]) / DATABASE
    raise BenchFailed(f"cannot find the broker's database by {found}")


def _identities(fleet: Fleet) -> list[tuple[str, str, int]]:
    found = (
        (each["Id"], each["State"]["StartedAt"], each["State"]["Pid"])
        for each in fleet.containers(NAME)
    )
    return sorted(found)


def _chunks(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = HEADER
    while place + CHUNK.size <= len(content):
        kind, length = CHUNK.unpack_from(content, place)
        place += CHUNK.size
        yield kind, content[place : place + length]
        place += length


def _message(body: bytes) -> tuple[bytes, str, bytes]:
    """Return ID, topic and payload of a stored message."""
    number, _, size, _, source, user, topic, *_ = MESSAGE.unpack_from(body)
    begin = MESSAGE.size + source + user
    name = body[begin : begin + topic].decode(errors="replace")
    return number, name, body[begin + topic : begin + topic + size]
