"""Boot an image in QEMU: power on, cut the power, look at the console.

A `Guest` keeps its disk (what it wrote on top of the image) and its firmware's
settings in a folder, so it comes back as the same device. The image is never changed.
Start it from a thread that lives on: with the thread, QEMU ends.
"""

import math
import shutil
import subprocess
from pathlib import Path

from edge.errors import ImageError
from edge.image import machine, tools
from edge.image.machine import Files, Hardware

STARTS_WITHIN = 0.5
"""Seconds in which QEMU finds out that it cannot."""
OFF_WITHIN = 60.0
"""Seconds for a device to shut down; with TCG on a busy machine it takes half."""
DIES_WITHIN = 5.0
LOOK_EVERY = 0.1
LAST = 2000
"""Characters of a console that an error repeats."""
HANDSHAKE = b'{"execute":"qmp_capabilities"}\n'
POWER_BUTTON = b'{"execute":"system_powerdown"}\n'


class Guest:
    """One virtual device with the image on its disk."""

    def __init__(
        self,
        image: Path,
        folder: Path,
        hardware: Hardware,
        enter: tuple[str, ...] = (),
    ) -> None:
        """``enter`` is put before QEMU's command, to be where ``hardware.tap`` is."""
        self.folder = folder
        self.hardware = hardware
        self._image = image
        self._enter = enter
        self._process: subprocess.Popen[bytes] | None = None
        self._begins_at = 0

    def start(self) -> None:
        """Switch it on; on again is fine.

        Raises:
            ImageError: a program or firmware is missing, or QEMU refuses.
        """
        if self.is_running:
            return
        self._prepare()
        command = machine.command(self.hardware, self._files, self._enter)
        for program in (command[0], *self._enter[:1], self._program):
            tools.find(program)
        with (self.folder / "qmp.log").open("wb") as said, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=log,
                env=tools.environment(),
                start_new_session=True,
            )
        self._check_started()
        self._say(HANDSHAKE)

    @property
    def is_running(self) -> bool:
        """Whether the machine has power."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Cut the power, at once; nothing is written any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DIES_WITHIN)
            self._close()

    def power_off(self, within: float = OFF_WITHIN) -> None:
        """Press the power button, wait; after ``within`` seconds cut the power."""
        self.press()
        if not self._ends_within(within):
            self.kill()
        self._close()

    def press(self) -> None:
        """Press the power button."""
        self._say(POWER_BUTTON)

    def console(self) -> str:
        """Return what the serial console said since the last start."""
        path = Path(self._files.console)
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(self._begins_at)
            return file.read().decode(errors="replace").replace("\r", "")

    def wait_for(self, text: str, seconds: float) -> str:
        """Return the console once it has said ``text`` since the last start.

        Raises:
            ImageError: it did not within ``seconds``, or the machine is off.
        """
        for _ in range(math.ceil(seconds / LOOK_EVERY) + 1):
            is_running = self.is_running
            said = self.console()
            if text in said:
                return said
            if not is_running or self._ends_within(LOOK_EVERY):
                break
        why = f"after {seconds:g} s" if self.is_running else "and is off"
        problem = f"cannot see {text!r} on the console of {self.folder.name} {why}"
        raise ImageError(f"{problem}; it said last:\n{self.console()[-LAST:]}")

    @property
    def pid(self) -> int:
        """The number of QEMU's process, 0 while the machine is off."""
        return self._process.pid if self._process and self.is_running else 0

    def forget(self) -> None:
        """Make it a device that was never switched on."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _files(self) -> Files:
        return Files(
            disk=str(self.folder / "disk.qcow2"),
            variables=str(self.folder / "variables.fd"),
            console=str(self.folder / "console.log"),
        )

    @property
    def _log(self) -> Path:
        return self.folder / "qemu.log"

    @property
    def _program(self) -> str:
        return machine.PROGRAMS[self.hardware.architecture]

    def _prepare(self) -> None:
        """Make disk and settings, unless they are there and of this image."""
        image, is_of = self._image.resolve(), self.folder / "image"
        stat = image.stat()
        mark = f"{image} {stat.st_size} {stat.st_mtime_ns}\n"
        if not is_of.exists() or is_of.read_text() != mark:
            self.forget()
            self.folder.mkdir(parents=True)
            self._make(image)
            is_of.write_text(mark)
        console = Path(self._files.console)
        self._begins_at = console.stat().st_size if console.exists() else 0

    def _make(self, image: Path) -> None:
        factory = Path(machine.VARIABLES[self.hardware.architecture])
        if not factory.exists():
            package = machine.FIRMWARE_PACKAGES[self.hardware.architecture]
            problem = f"cannot find {factory}: install the Debian package {package}"
            raise ImageError(problem)
        shutil.copyfile(factory, self._files.variables)
        base = ("-f", "qcow2", "-b", str(image), "-F", "raw")
        size = self.hardware.disk_size
        tools.call("qemu-img", "create", "-q", *base, self._files.disk, size)

    def _check_started(self) -> None:
        if not self._ends_within(STARTS_WITHIN):
            return
        self._close()
        said = self._log.read_text(errors="replace").strip()[-LAST:]
        raise ImageError(f"cannot switch on {self.folder.name}: {said}")

    def _ends_within(self, seconds: float) -> bool:
        if self._process is not None:
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
        return True

    def _say(self, words: bytes) -> None:
        """Say something to QEMU; to one that is gone, nothing."""
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(words)
            self._process.stdin.flush()
        except (OSError, ValueError):
            return

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:
                return
