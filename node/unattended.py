"""Joining where nobody looks on: an image's first boot, for as long as it takes.

What a person would be told and would mend is said on the console instead (``NOTE`` in
the run folder), and looked at again: a join file may be put on the card, a hub may
come back, a voucher may be approved. Damaged state is kept aside, never removed.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge import files, legible
from edge.errors import (
    ConfigError,
    Damaged,
    EdgeError,
    RequestError,
    StoreError,
    TemporaryError,
)
from edge.joinfile import JoinFile
from edge.names import LABEL_MAX
from node import device as devices
from node import enrol, hubs, supervisor
from node.device import Device
from node.settings import Settings

NOTE = "enrolment.json"
"""What the console shows: state, text, name, device, fleet, hub."""
ASIDE = "aside"
MOVING = "moving"
"""Where state is on its way there; found at a start, a power cut came in between."""
NAME_TAKEN = "name-taken"
"""The hub's word for a name that another device has (`edge.trust.devices`)."""
LOOK_FIRST, LOOK_LAST = 2.0, 60.0
"""Seconds between looks; doubled each time, halved at random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What joining needs of the outside: join file, clocks, luck, somebody to tell.

    ``read`` returns the join file at a path, None without one, and raises `ConfigError`
    when it cannot be used; ``draw`` returns a number from 0 to 1.
    """

    read: Callable[[Path], JoinFile | None]
    clock: Callable[[], float]
    pause: Callable[[float], None]
    draw: Callable[[], float]
    tell: Callable[[str], None]


class Joining:
    """One device on its way into a fleet: look, try, say, wait, again."""

    def __init__(self, settings: Settings, path: Path, world: World) -> None:
        """Join with the join file at ``path``, whenever there is one."""
        self.settings = settings
        self.path = path
        self.world = world
        self.pause = LOOK_FIRST
        self.has_enrolled = False
        self.told: dict[str, str] = {}
        self.taken = 0
        """How many names the fleet said are somebody else's."""

    def run(self) -> Device:
        """Return the device once it is a member; nothing else ends this."""
        settings = self.settings
        settings.run.mkdir(mode=0o711, parents=True, exist_ok=True)
        while True:
            try:
                device = self._try()
            except Damaged as error:
                self.told = {}
                self._say("damaged", str(error))
                self._set_aside()
            except EdgeError as error:
                self._say(_state(error), str(error))
                self._wait()
            else:
                self._forget(device)
                return device

    def _try(self) -> Device:
        """Return the device as a member; raise what stands in the way."""
        if (self.settings.state / ASIDE / MOVING).exists():
            set_aside(self.settings.state)
        device = self._member()
        if device is not None:
            return device
        join, problem = self._join()
        if join is None:
            raise problem or ConfigError(
                "cannot join: there is no join file on the card"
            )
        device = devices.open_device(self.settings, join, os.urandom, self.world.clock)
        device.store.sweep()
        self._enrol(device, join)
        return device

    def _set_aside(self) -> None:
        try:
            set_aside(self.settings.state)
        except StoreError as error:
            self._say("damaged", str(error))
            self._wait()

    def _member(self) -> Device | None:
        """Return the device if it is a member already, whatever the card says."""
        try:
            device = devices.open_device(
                self.settings, None, os.urandom, self.world.clock
            )
        except StoreError:
            raise
        except ConfigError:
            return None  # no fleet yet
        if not device.is_enrolled:
            return None
        device.store.sweep()
        return device

    def _join(self) -> tuple[JoinFile | None, EdgeError | None]:
        """Return the join file, or what is wrong with it: members need none."""
        try:
            return self.world.read(self.path), None
        except ConfigError as error:
            return None, error

    def _enrol(self, device: Device, join: JoinFile) -> None:
        name = self._name()
        known = hubs.known(self.settings.hub, join.hubs, device.ledger)
        self.told = {"device": device.identity.device, "fleet": join.fleet}
        self._say("looking", f"asks {', '.join(known) or 'mDNS'}")
        candidates = hubs.candidates(join.fleet, known)
        try:
            url = enrol.enrol(device, join, name, candidates)
        except RequestError as error:
            # A device that lost its disk, or has a serial number that many have.
            self.taken += error.reason == NAME_TAKEN
            raise
        self.told["hub"] = url
        self.has_enrolled = True
        self._say("enrolled", f"{name} is enrolled at {url}")

    def _forget(self, device: Device) -> None:
        """Remove the join file of the device's own fleet: it has done its work."""
        join, _ = self._join()
        if join is None or join.fleet != device.ledger.fleet:
            return
        try:
            forget(self.path)
        except OSError as error:
            self._say("enrolled", f"cannot remove {self.path}: {error.strerror}")

    def _say(self, state: str, text: str) -> None:
        text = legible.line(text)  # perhaps a stranger's words
        told = {
            "state": state,
            "text": text,
            "name": self._name(),
            **self.told,
        }
        self.world.tell(text)
        supervisor.tell("WATCHDOG=1", f"STATUS={state}: {text}")
        with suppress(OSError):  # the console's loss
            fresh = self.settings.run / f"{NOTE}.new"
            fresh.write_text(json.dumps(told | {"pid": os.getpid()}))
            fresh.replace(self.settings.run / NOTE)

    def _name(self) -> str:
        return own_name(self.settings, self.taken)

    def _wait(self) -> None:
        # Not predictable, or a thousand devices ask a new hub in the same second.
        self.world.pause(self.pause * (1.0 + self.world.draw()) / 2)
        self.pause = min(2 * self.pause, LOOK_LAST)


def own_name(settings: Settings, taken: int = 0) -> str:
    """Return the name to enrol as: another one for each state that was set aside.

    The fleet still knows the device that was, under the name it had; and for each of
    the names before that are ``taken``.
    """
    name = settings.name or os.uname().nodename.lower()
    lost = taken + len(list((settings.state / ASIDE).glob("[0-9]*")))
    if not lost:
        return name
    number = f"-{lost + 1}"
    return name[: LABEL_MAX - len(number)].rstrip("-") + number


def set_aside(state: Path) -> Path:
    """Move what is in the state folder into one below it; return that one.

    Interrupted anywhere, it goes on where it was when it is called again.

    Raises:
        StoreError: the disk does not take it.
    """
    aside = state / ASIDE
    try:
        moving = aside / MOVING
        files.make_folder(moving)
        for path in state.iterdir():
            if path != aside:
                path.rename(moving / path.name)
        files.sync_folder(moving)
        files.sync_folder(state)
        kept = aside / str(len(list(aside.glob("[0-9]*"))) + 1)
        moving.rename(kept)
        files.sync_folder(aside)
    except OSError as error:
        raise StoreError(f"cannot set {state} aside: {error}") from error
    return kept


def forget(path: Path) -> None:
    """Remove a join file for good, as far as a file system can.

    Overwriting first would be theatre: flash writes elsewhere. What makes the file
    worth little is its voucher, which is narrow and closes.
    """
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _state(error: EdgeError) -> str:
    if isinstance(error, TemporaryError):
        return "looking"
    return "waiting" if isinstance(error, ConfigError) else "refused"
