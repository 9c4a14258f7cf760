"""Whether this machine can run what is installed for another architecture.

Packages set themselves up with programs of their own, so a builder has to run those:
the kernel hands them to qemu-user when binfmt_misc knows it.
"""

from edge.errors import ImageError
from edge.image import tools
from edge.image.parts import Architecture

MEND = (
    "install the Debian packages qemu-user-static and arch-test; "
    "where systemd is not running, then also, as root: "
    "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && "
    "/usr/lib/systemd/systemd-binfmt"
)


def check(architecture: Architecture) -> None:
    """Fail at once rather than in mmdebstrap's middle.

    Raises:
        ImageError: programs of ``architecture`` do not run here; says what to do.
    """
    ours = tools.call("dpkg", "--print-architecture").decode().strip()
    if ours == architecture:
        return
    try:
        tools.call("arch-test", architecture)
    except ImageError as error:
        problem = f"cannot build for {architecture} on this {ours} machine: {MEND}"
        raise ImageError(problem) from error
