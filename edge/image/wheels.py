"""The device's Python: its environment ``/opt/tutti``, made on the builder.

Compiled wheels for the target come from a lock with hashes, our own packages from a
wheel of the repository, without what only operators and hubs use.
"""

import os
import sys
import zipfile
from pathlib import Path

from edge.errors import ImageError
from edge.image import tools
from edge.image.parts import Architecture

PLATFORMS: dict[Architecture, str] = {
    "amd64": "x86_64-manylinux_2_36",
    "arm64": "aarch64-manylinux_2_36",
}
"""What uv calls our targets; glibc 2.36 is Debian 12's."""
PYTHON = "3.11"
PACKAGES = f"lib/python{PYTHON}/site-packages"
HOME = "opt/tutti"
NOT_ON_DEVICES = ("hub/", "edge/ctl/", "edge/lab/", "edge/sim/", "edge/image/")
SCRIPT = """\
#!/opt/tutti/bin/python
import sys

from node.cli import main

sys.exit(main())
"""
SETTINGS = f"""\
home = /usr/bin
include-system-site-packages = false
version = {PYTHON}
"""
WHEEL_MAX = 32 * 1024 * 1024
"""Bytes of our own wheel, unpacked; it has about three million."""


def install(source: Path, lock: Path, architecture: Architecture, root: Path) -> None:
    """Make the environment below ``root`` from the repository ``source``.

    Raises:
        ImageError: a wheel is missing for the target, a hash differs, no network.
    """
    home = root / HOME
    target = home / PACKAGES
    target.mkdir(parents=True)
    _uv(
        "pip", "install", "--target", str(target), "--python-version", PYTHON,
        "--python-platform", PLATFORMS[architecture], "--require-hashes", "--no-deps",
        "--only-binary", ":all:", "--link-mode", "copy", "--requirements", str(lock),
    )  # fmt: skip
    _tidy(target)
    unpack(build(source, root.parent / "wheel"), target)
    (home / "pyvenv.cfg").write_text(SETTINGS)
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(f"/usr/bin/python{PYTHON}")
    script = home / "bin" / "edge-node"
    script.write_text(SCRIPT)
    script.chmod(0o755)


def build(source: Path, folder: Path) -> Path:
    """Return the wheel of the repository, built into ``folder``."""
    if not (source / "pyproject.toml").is_file():
        raise ImageError(
            f"cannot build a wheel in {source}: images are built from a clone of the "
            "repository, name its firmware-images with --recipes"
        )
    _uv(
        "build",
        "--wheel",
        "--no-build-isolation",
        "--out-dir",
        str(folder),
        str(source),
    )
    return next(iter(folder.glob("*.whl")))


def _uv(*argv: str) -> None:
    # uv needs what the builder configured: an index, a proxy, a cache.
    python = ("--python", sys.executable) if argv[0] == "build" else ()
    uv = Path(sys.executable).parent / "uv"
    tools.call(uv, "--quiet", *argv, *python, extra=dict(os.environ))


def _tidy(target: Path) -> None:
    """Remove what tells where and when a wheel was installed, and its commands."""
    for name in ("direct_url.json", "REQUESTED", "uv_cache.json", "RECORD"):
        for path in target.glob(f"*.dist-info/{name}"):
            path.unlink()
    for path in (*target.glob("bin/*"), *target.glob(".lock")):
        path.unlink()
    if (target / "bin").is_dir():
        (target / "bin").rmdir()


def unpack(wheel: Path, target: Path) -> None:
    """Put what devices use of our wheel into ``target``.

    Raises:
        ImageError: it is larger than it can be.
    """
    with zipfile.ZipFile(wheel) as archive:
        wanted = [
            each
            for each in archive.infolist()
            if not each.filename.startswith(NOT_ON_DEVICES)
        ]
        if sum(each.file_size for each in wanted) > WHEEL_MAX:
            raise ImageError(f"cannot use {wheel}: larger than {WHEEL_MAX} bytes")
        for each in wanted:
            archive.extract(each, target)
