"""What is mounted into a container: volumes, and the folders of its secrets.

Secrets are mounted as read-only *folders*, so that a rotated value reaches a running
container. A folder hides what the image has there: system folders are refused, and so
are folders and volumes inside one another, where the order of mounts would decide.
"""

from edge.manifest import parts
from edge.manifest.fields import Place, Table, converted
from edge.model import Volume

_SYSTEM_FOLDERS = """
/bin /boot /dev /etc /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv
/sys /tmp /usr /usr/bin /usr/lib /usr/local /usr/sbin /var /var/lib
"""
# A program finds nothing of its own any more when one of these is hidden.
SYSTEM_FOLDERS = frozenset(_SYSTEM_FOLDERS.split())
KERNEL_FOLDERS = ("/proc", "/sys", "/dev")


def volumes(table: Table) -> tuple[Volume, ...]:
    """Return the volumes of a workload, each with a target of its own."""
    found = table.items("volumes", parts.volume)
    targets = [volume.target for volume in found]
    for index, target in enumerate(targets):
        place = table.place.at("volumes", index)
        if target in targets[:index]:
            raise place.error(f"cannot mount two volumes at {target}")
        if _is_kernels(target):
            raise place.error(f"cannot mount over {target}: the kernel's own files")
    return found


def secrets(table: Table) -> dict[str, str]:
    """Return secret → file, ``{"token": "/run/secrets/token"}``."""
    found: dict[str, str] = {}
    targets = [volume.target for volume in volumes(table)]
    for name, value, place in table.pairs("secrets"):
        converted(name, parts.name, place)
        file = converted(value, parts.path, place)
        _check_folder(file, place)
        _check_neighbours(file, [*found.values()], targets, place)
        found[name] = file
    return found


def _check_folder(file: str, place: Place) -> None:
    folder = _folder(file)
    if not folder or folder in SYSTEM_FOLDERS or _is_kernels(folder):
        problem = f"cannot keep a secret in {folder or '/'}: its folder is replaced"
        raise place.error(f"{problem}; write a path such as /run/secrets/token")


def _check_neighbours(
    file: str, files: list[str], targets: list[str], place: Place
) -> None:
    """Raise when the folder of ``file`` and another mount lie inside one another."""
    folder = _folder(file)
    if file in files:
        raise place.error(f"cannot keep two secrets in {file}")
    for other in {_folder(other) for other in files} - {folder}:
        if _is_inside(folder, other) or _is_inside(other, folder):
            raise place.error(
                f"cannot nest the secrets' folders {folder} and {other}:"
                " use one folder for both"
            )
    for target in targets:
        if target == folder or _is_inside(target, folder):
            raise place.error(f"cannot keep secrets in {folder}: {target} is a volume")


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _is_kernels(path: str) -> bool:
    return path in KERNEL_FOLDERS or path.startswith(
        tuple(f"{folder}/" for folder in KERNEL_FOLDERS)
    )
