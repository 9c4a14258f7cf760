"""Where secrets appear in a container, and which folder of the vault each comes from.

A bind mount of a *file* keeps the old content after a rename, one of its *folder*
follows; so what is mounted is always a folder. Secrets under one folder share its
mount, and folders inside a mounted one belong to it. Paths here are words between
slashes, for a Linux container on a Linux device.
"""

from collections.abc import Iterable

from edge.errors import ConfigError


def folders(targets: Iterable[str]) -> tuple[str, ...]:
    """Return the folders to mount for secrets that appear at ``targets``.

    Raises `ConfigError` for a target that is relative, not in its shortest spelling,
    or directly in ``/``.
    """
    parents = {_folder(target) for target in targets}
    return tuple(sorted(each for each in parents if not _is_inside(each, parents)))


def place(root: str, container: str, folder: str) -> str:
    """Return the path on the device that is mounted at ``folder``.

    ``/run/secrets`` of container ``tutti-x`` is ``<root>/tutti-x/run_secrets``. A ``_``
    in the folder is doubled, so that no two folders share a place.
    """
    flat = folder.strip("/").replace("_", "__").replace("/", "_")
    return f"{root}/{container}/{flat}"


def file_places(root: str, container: str, targets: Iterable[str]) -> dict[str, str]:
    """Return for each target the path on the device of its file."""
    targets = tuple(targets)
    mounted = folders(targets)
    return {each: _file_place(root, container, each, mounted) for each in targets}


def _file_place(
    root: str, container: str, target: str, mounted: tuple[str, ...]
) -> str:
    above = next(each for each in mounted if target.startswith(f"{each}/"))
    return place(root, container, above) + target.removeprefix(above)


def _folder(target: str) -> str:
    folder, _, file = target.rpartition("/")
    words = folder.split("/")[1:]
    is_plain = all(word not in {"", ".", ".."} for word in (*words, file))
    if not (target.startswith("/") and words and is_plain):
        problem = f"cannot place a secret at {target!r}: name a file in a folder, "
        raise ConfigError(problem + "such as /run/secrets/token")
    return folder


def _is_inside(folder: str, others: set[str]) -> bool:
    return any(folder.startswith(f"{other}/") for other in others)
