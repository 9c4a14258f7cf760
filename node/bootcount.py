"""`edge-node boot-ok`: tells the boot loader that this version of the system works.

systemd-boot counts the tries of a slot in its entry's name (systemd.io, Automatic Boot
Assessment): a slot that is never called good is not tried for ever. A boot is good when
the daemon lives and Podman answers, for some time; whether a hub can be reached says
nothing about a system on a disk.
"""

import http.client
import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from edge.errors import ConfigError, RuntimeFailure
from node.settings import Settings

COUNTED = Path(
    "sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
)
"""There when the loader counts this boot (systemd's boot loader interface)."""
BLESS = ("/lib/systemd/systemd-bless-boot", "good")
STEADY_FOR = 30.0
"""Seconds; a daemon that crashes does so in its first ones."""
LOOK_EVERY = 5.0
GIVE_UP_AFTER = 900.0
"""Seconds; then the unit fails, and the next boot is another try."""
ANSWER_AFTER = 60.0
NOTES = ("status.json", "enrolment.json")


def is_counted(root: Path) -> bool:
    """Return whether the loader counts the tries of this boot."""
    return (root / COUNTED).exists()


def wait(settings: Settings, pause: Callable[[float], None]) -> None:
    """Return when this boot is good; raise `RuntimeFailure` when it does not get so."""
    left, steady, last = GIVE_UP_AFTER, 0.0, 0
    while left > 0:
        pid = daemon(settings.run)
        is_good = pid != 0 and answers(settings.podman)
        steady = steady + LOOK_EVERY if is_good and pid == last else 0.0
        if steady >= STEADY_FOR:
            return
        last, left = pid, left - LOOK_EVERY
        pause(LOOK_EVERY)
    problem = f"cannot call this boot good: nothing steady in {GIVE_UP_AFTER:.0f} s"
    raise RuntimeFailure(f"{problem}; see edge-node status")


def bless() -> None:
    """Tell the boot loader; raise `ConfigError` with what its helper said."""
    try:
        subprocess.run(BLESS, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise ConfigError(f"cannot call this boot good: {said.strip()}") from error


def daemon(run: Path) -> int:
    """Return the process that left a note in the run folder and lives, 0 for none."""
    for name in NOTES:
        try:
            pid = int(json.loads((run / name).read_bytes())["pid"])
            os.kill(pid, 0)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return pid
    return 0


def answers(podman: str) -> bool:
    """Return whether Podman's service answers a ping."""
    connection = http.client.HTTPConnection("podman", timeout=ANSWER_AFTER)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(ANSWER_AFTER)
        connection.sock.connect(podman.removeprefix("unix://"))
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
