"""The hub's own broker: a Mosquitto that lives and dies with the hub.

Rules:

- It does not outlive the hub: the kernel ends it with its parent, and a hub that was
  killed in a way that left one behind ends that one first, by number and start time.
- It is started again when it ends, soon at first, then less often. A database that
  keeps it from starting is moved aside: it holds nothing that hub and devices do not
  publish again.
- Nothing it prints can fill a disk: the last lines stay in memory, and ``log`` gets
  each of them.
- Every file it reads is written here. Started by root it becomes an account of its
  own where it can, which may read those files and write nothing but its database.

To cut off a revoked client: `Mosquitto.reload` with the new revocation list, and then
`evict`, which has the broker close the old connection; its return is refused.
"""

import asyncio
import os
import signal
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge import connection, dial, files, legible
from edge.connection import Connection
from edge.dial import Judge
from edge.errors import ConfigError, StoreError, Unreachable
from edge.names import FleetName
from hub import child, mosquitto_config
from hub.mosquitto_config import ACL, CA, CERTIFICATE, CONFIG, CRL, DATABASE, KEY, STATE
from hub.mosquitto_config import Settings as Config

PROGRAM, ACCOUNT = "mosquitto", "mosquitto"  # as Debian's package has them
RECORD = "pid"
READY = "running"  # the last word of "mosquitto version 2.0.11 running"
RELOADED = "Reloading config."
DATABASE_TROUBLE = "open database"  # "Error: Couldn't open database."
# Signals that somebody sends; any other end by a signal is a crash of its own.
SENT = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGUSR1}
LINES_KEPT, LINE_MAX = 50, 512
ASIDE = f"{DATABASE}.corrupt-"
ASIDE_KEPT = 3
RESTART_FIRST, RESTART_LAST = 0.1, 10.0
LONG_LIFE = 30.0  # seconds after which an end is a new trouble, not the old one
RELOAD_WITHIN = 2.0
EVICT_WITHIN = 2.0  # seconds for each step; revoking may take five in all
DESCRIPTORS_SPARE = 200  # files beside the connections
FILE_MAX = 16 * 1024 * 1024  # a revocation list of 400,000 certificates
OWNER_READS, GROUP_READS = 0o600, 0o640
GROUP_ENTERS, OWNER_ONLY = 0o750, 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the broker is run; `mosquitto_config.Settings` is what it is told."""

    config: Config
    fleet: FleetName
    command: tuple[str, ...] = ("mosquitto",)
    """The program and what stands before its own arguments. It must end up as the
    same process (``exec``), or nobody ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What changes while the broker runs, PEM but for the dashboards' names."""

    ca: bytes
    certificate: bytes
    key: bytes
    crl: bytes
    viewers: tuple[str, ...] = ()


class Mosquitto:
    """A supervised broker: give `run` to a TaskGroup, wait for `ready`.

    ``lines`` are the last it printed, ``starts`` how often it was started, ``aside``
    how many databases were moved out of its way.
    """

    def __init__(
        self,
        settings: Settings,
        material: Material,
        *,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.ready = asyncio.Event()
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.starts = 0
        self.aside = 0
        self._settings = settings
        self._material = material
        self._log = log
        self._folder = Path(settings.config.folder)
        self._account = ""
        if settings.command == (PROGRAM,) and child.has_account(ACCOUNT, self._folder):
            self._account = ACCOUNT
        self._reloaded = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The broker's process, None while there is none."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    async def run(self) -> None:
        """Keep the broker running until cancelled; then end it.

        Belongs on the main thread: the kernel ends the broker with the thread that
        started it. Raises `ConfigError` when the program is missing, `StoreError` when
        its folder cannot be written at the first start.
        """
        loop = asyncio.get_running_loop()
        pause = RESTART_FIRST
        await child.end_orphan(self._folder / RECORD)
        self._install()
        try:
            while True:
                began = loop.time()
                await self._live()
                pause = RESTART_FIRST if loop.time() - began > LONG_LIFE else pause
                self._say(f"ended; starting it again in {pause:g} s")
                await asyncio.sleep(pause)
                pause = min(pause * 2, RESTART_LAST)
        finally:
            if self._process is not None:
                await child.end(self._process)

    async def reload(self, material: Material) -> None:
        """Use new certificates, revocation list and dashboards, without a restart.

        Connected clients stay (`evict` them); whoever comes from now on is judged by
        the new ones. Returns when the broker took them, or after 2 s: a broker that
        is down takes them when it starts.
        """
        self._material = material
        self._install()
        self._reloaded.clear()
        if self._signal(signal.SIGHUP) and self.ready.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(RELOAD_WITHIN):
                    await self._reloaded.wait()

    def save(self) -> None:
        """Have the broker write its retained messages to disk soon."""
        self._signal(signal.SIGUSR1)

    async def _live(self) -> None:
        """Start the broker, follow what it prints, and return when it has ended."""
        self._process = process = await self._start()
        self.starts += 1
        with suppress(StoreError):  # a full disk; the kernel still knows its parent
            child.remember(self._folder / RECORD, process.pid)
        try:
            if process.stderr is not None:
                await self._follow(process.stderr)
        finally:
            was_ready = self.ready.is_set()
            self.ready.clear()
        code = await process.wait()
        if not was_ready and self._blames_database(code):
            try:
                self._move_database()
            except (OSError, StoreError) as error:
                self._say(f"cannot move its database aside: {error}")

    async def _start(self) -> asyncio.subprocess.Process:
        program, *words = self._settings.command
        argv = (child.find(program), *words, "-c", str(self._folder / CONFIG))
        try:
            process = await asyncio.create_subprocess_exec(
                *child.tied(argv, self._account),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise ConfigError(f"cannot start the broker: {error}") from error
        connections = self._settings.config.limits.connections_max
        child.raise_descriptors(process.pid, connections + DESCRIPTORS_SPARE)
        return process

    async def _follow(self, printed: asyncio.StreamReader) -> None:
        self.lines.clear()
        while True:
            try:
                line = await printed.readline()
            except ValueError:  # longer than asyncio's buffer: not worth keeping
                continue
            if not line:
                return
            self._hear(line.decode("utf-8", "replace").rstrip())

    def _hear(self, line: str) -> None:
        if line.endswith(READY):
            self.ready.set()
        if line == RELOADED:
            self._reloaded.set()
        self._say(line)

    def _say(self, line: str) -> None:
        clean = legible.plain(line[:LINE_MAX])
        self.lines.append(clean)
        self._log(clean)

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None or self._process.returncode is not None:
            return False
        self._process.send_signal(number)
        return True

    def _install(self) -> None:
        """Write what the broker reads, where it changed, for its account to read."""
        material, config = self._material, self._settings.config
        keeps_root = os.geteuid() == 0 and not self._account
        told = mosquitto_config.config(replace(config, keeps_root=keeps_root))
        rules = mosquitto_config.acl(self._settings.fleet, material.viewers)
        try:
            self._make_folders()
            for name, content in (
                (CA, material.ca),
                (CERTIFICATE, material.certificate),
                (KEY, material.key),
                (CRL, material.crl),
                (ACL, rules.encode()),
                (CONFIG, told.encode()),
            ):
                self._write(self._folder / name, content)
        except OSError as error:
            raise StoreError(
                f"cannot write {self._folder}: {error.strerror}"
            ) from error

    def _make_folders(self) -> None:
        for folder, mode in (
            (self._folder, GROUP_ENTERS if self._account else OWNER_ONLY),
            (self._folder / STATE, OWNER_ONLY),
        ):
            folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
            folder.chmod(mode)
            child.give(folder, self._account, whole=folder.name == STATE)

    def _write(self, path: Path, content: bytes) -> None:
        if files.read(path, at_most=FILE_MAX) != content:
            files.write(
                path, content, mode=GROUP_READS if self._account else OWNER_READS
            )
        child.give(path, self._account, whole=False)

    def _blames_database(self, code: int) -> bool:
        """Whether it ended, before it was ready, over what it had stored."""
        crashed = code < 0 and -code not in SENT
        return crashed or any(DATABASE_TROUBLE in line for line in self.lines)

    def _move_database(self) -> None:
        """Keep what did not load for whoever wants to know why, the newest few."""
        database = self._folder / STATE / DATABASE
        if not database.exists():
            return
        older = sorted(
            int(path.name.removeprefix(ASIDE))
            for path in database.parent.glob(f"{ASIDE}*")
            if path.name.removeprefix(ASIDE).isdigit()
        )
        number = older[-1] + 1 if older else 1
        database.rename(database.with_name(f"{ASIDE}{number}"))
        for old in older[: -ASIDE_KEPT + 1]:
            files.remove(database.with_name(f"{ASIDE}{old}"))
        self.aside += 1
        self._say(f"cannot load its database: moved aside as {ASIDE}{number}")


async def evict(
    host: str,
    port: int,
    name: str,
    *,
    tls: ssl.SSLContext,
    judge: Judge | None = None,
) -> None:
    """Have any broker close the connection of ``name``, and forget its session.

    ``tls`` identifies as ``name`` with a certificate of `hub.authority.issue_eviction`;
    the revocation list must be in force already, or the client comes back.
    Raises `Unreachable` or `TrustError`.
    """
    opened = await dial.open_socket(
        host, port, tls=tls, judge=judge, within=EVICT_WITHIN
    )
    settings = connection.Settings(
        host=host, port=port, client_id=name, answer_within=EVICT_WITHIN
    )
    evicting = Connection(settings, opened, lambda _, __: True)
    try:
        if await evicting.greet() is None:
            reason = evicting.ended.result().reason
            raise Unreachable(f"cannot close the connection of {name}: {reason}")
        await evicting.leave(with_will=False)
    finally:
        evicting.end("cannot stay connected: we left")
