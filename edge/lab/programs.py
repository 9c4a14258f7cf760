"""Run the programs a lab is made with, and turn their failures into `LabError`."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from edge.errors import LabError

# Namespaces, mounts and small files: anything slower than this hangs.
TIMEOUT = 30.0
# A device's environment: nothing of the person who started the lab reaches it.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Which Debian package brings each program the lab needs.
PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
    "tar": "tar",
    "podman": "podman",
    "conmon": "conmon",
    "iptables": "iptables",
    "docker-registry": "docker-registry",
    "busybox": "busybox-static",
}


def call(*argv: str, text: str | None = None, within: float = TIMEOUT) -> str:
    """Return what the program prints; ``text`` is what it reads.

    Raises:
        LabError: the program is missing, failed or hung; it says what it said.
    """
    try:
        done = subprocess.run(
            argv,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=within,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip() or f"exit code {error.returncode}"
        raise LabError(f"cannot run {_shown(argv)}: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"cannot run {_shown(argv)}: {error}") from error
    return done.stdout


def find(name: str) -> str | None:
    """Return the full path of a program, None where it is not installed."""
    return shutil.which(name, path=PATH)


def check() -> None:
    """Raise `LabError` unless a lab can be built here: root, and every program."""
    if os.geteuid() != 0:
        raise LabError("cannot build a lab: it needs root; run the command with sudo")
    missing = sorted({PACKAGES[name] for name in PACKAGES if find(name) is None})
    if missing:
        install = f"apt-get install {' '.join(missing)}"
        raise LabError(f"cannot build a lab: programs are missing; run {install}")


def _shown(argv: Sequence[str]) -> str:
    return " ".join(argv)
