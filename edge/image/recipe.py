"""A recipe: one folder of ``firmware-images/``, read and checked, and what it installs.

``recipe.toml`` says what is special about an image; ``common/`` beside the recipes
holds what all images share: ``packages``, ``exclude`` (files no device needs), ``tree``
(files copied in) and ``hooks`` (what is done to the installed system).
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from edge.errors import ImageError
from edge.image.parts import Architecture, Wishes

FILE_MAX = 64 * 1024
"""Bytes of a recipe's file; real ones have less than three thousand."""
FIELDS = {
    "title": str,
    "suite": str,
    "architecture": str,
    "packages": list,
    "firmware": list,
    "options": str,
}
SSH = "openssh-server"
"""Installed when the operator gave a key, and only then."""
ROOT_OPTIONS = "root=PARTLABEL=tutti-root-a rootfstype=squashfs ro quiet panic=10"
"""Of every kernel: where its root is, and to start again after a panic, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What ``recipe.toml`` says. ``common`` is the folder shared by all recipes.

    ``packages`` are Debian's names, ``firmware`` those of its non-free-firmware part
    (for ``--firmware``), ``loader`` the file name of systemd-boot for this machine.
    """

    name: str
    common: Path
    title: str
    suite: str
    architecture: Architecture
    packages: tuple[str, ...]
    firmware: tuple[str, ...]
    options: str


def names(folder: Path) -> list[str]:
    """Return the names of the recipes in a folder, sorted."""
    return sorted(each.parent.name for each in folder.glob("*/recipe.toml"))


def read(folder: Path, name: str) -> Recipe:
    """Return the recipe ``name`` of the recipes in ``folder``.

    Raises:
        ImageError: there is none, or it says something we do not understand.
    """
    path = folder / name / "recipe.toml"
    if name not in names(folder):
        known = ", ".join(names(folder)) or "none"
        raise ImageError(f"cannot find the recipe {name!r} in {folder}: it has {known}")
    try:
        table = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ImageError(f"cannot read the recipe {path}: {error}") from error
    return _recipe(path, table)


def _recipe(path: Path, table: dict[str, Any]) -> Recipe:
    if problem := _problem(table):
        raise ImageError(f"cannot use the recipe {path}: {problem}")
    lists = {key: tuple(table[key]) for key in ("packages", "firmware")}
    common = path.parent.parent / "common"
    return Recipe(name=path.parent.name, common=common, **{**table, **lists})


def _problem(table: dict[str, Any]) -> str:
    if unknown := sorted(table.keys() - FIELDS.keys()):
        return f"unknown field {unknown[0]!r}; known are {', '.join(FIELDS)}"
    for field, kind in FIELDS.items():
        if not isinstance(table.get(field), kind):
            return f"{field} must be a {'list' if kind is list else 'text'}"
    if not all(isinstance(p, str) for p in [*table["packages"], *table["firmware"]]):
        return "packages and firmware are lists of names"
    if table["architecture"] not in get_args(Architecture):
        return f"architecture must be one of {', '.join(get_args(Architecture))}"
    return ""


def packages(recipe: Recipe, wishes: Wishes) -> tuple[str, ...]:
    """Return the names of the Debian packages to install, sorted."""
    wanted = {*lines(recipe.common / "packages"), *recipe.packages}
    if wishes.has_firmware:
        wanted.update(recipe.firmware)
    if wishes.ssh_key:
        wanted.add(SSH)
    return tuple(sorted(wanted))


def excludes(recipe: Recipe) -> tuple[str, ...]:
    """Return options for dpkg: which files of the packages are left out, in order."""
    return tuple(
        f"path-include={line[1:]}" if line.startswith("!") else f"path-exclude={line}"
        for line in lines(recipe.common / "exclude")
    )


def options(recipe: Recipe) -> str:
    """Return the command line of the image's kernel."""
    return f"{ROOT_OPTIONS} {recipe.options}"


def lines(path: Path) -> list[str]:
    """Return the lines of a list file, without comments and empty ones."""
    stripped = (line.strip() for line in _text(path).splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"cannot read {path}: {error}") from error
    if len(data) > FILE_MAX:
        raise ImageError(f"cannot read {path}: longer than {FILE_MAX} bytes")
    return text
