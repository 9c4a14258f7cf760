"""What a machine loses with its power, and what it finds when power is back.

Lost: its link (first, so that no peer gets a polite refusal), every process in its
namespace and in its containers, everything mounted under its folders, its memory
(``run``), its namespace with those of its containers, its cgroups. Kept: the disk
(``folder``), as the page cache has it; what was not fsynced is tested elsewhere, on a
copied file system image.

`cut_off` may be repeated after a crash anywhere in it: it looks at what is there.
"""

import os
import re
import shutil
import time
from pathlib import Path

from edge.errors import LabError
from edge.lab import network, podman, processes, programs
from edge.lab.layout import LabLayout, Machine

MEMORY = "size=64m,mode=0700"  # a device's /run: runroot, sockets, opened secrets
MOUNTS = Path("/proc/self/mountinfo")
MOUNT_POINT = 4  # proc(5): the fifth field, with spaces and such as \\ooo
OCTAL = re.compile(rb"\\([0-7]{3})")
CGROUP_FREE_WITHIN = 2.0  # a cgroup stays busy for the moment its last task exits
CGROUP_LOOK_EVERY = 0.01


def turn_on(lab: LabLayout, machine: Machine) -> None:
    """Give the machine its memory, its namespace and its cable."""
    machine.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    machine.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = str(machine.run)
    programs.call("mount", "-t", "tmpfs", "-o", MEMORY, machine.namespace, target)
    if machine.has_podman:
        podman.prepare(lab, machine)
    network.plug(lab, machine)


def cut_off(lab: LabLayout, machine: Machine) -> None:
    """Take the power away; a machine that has none is cleaned up the same way."""
    if machine.port in network.ports(lab):
        network.set_link(lab, machine, up=False)
    containers = podman.containers(machine)
    namespaces = _kill(machine, containers)
    for name in namespaces:
        network.remove_namespace(name)
    unmount(machine.run, machine.folder)
    shutil.rmtree(machine.run, ignore_errors=True)
    _remove_cgroups(containers)
    network.unplug(lab, machine)


def unmount(*below: Path) -> None:
    """Unmount everything at or under these folders."""
    # Lazily: a stuck mount must not keep the machine from going; detached, it is gone.
    while found := mounts(*below):
        programs.call("umount", "--lazy", *found)


def mounts(*below: Path) -> list[str]:
    """Return what is mounted at or under these folders, the newest first."""
    points = [line.split(b" ")[MOUNT_POINT] for line in _mount_lines()]
    paths = [os.fsdecode(OCTAL.sub(_byte, point)) for point in points]
    return [path for path in reversed(paths) if _is_below(path, below)]


def _kill(machine: Machine, containers: frozenset[str]) -> frozenset[str]:
    """Kill the machine's processes; return the names of its containers' namespaces.

    Its own processes die before its containers: conmon would see its container end
    and write that down, which no power cut does.
    """
    namespaces = frozenset[str]()
    its_own = processes.network_at(machine.namespace_path)
    if its_own is not None:
        if its_own == processes.network_at(network.HOST_NETWORK):
            path = machine.namespace_path
            raise LabError(f"cannot kill {machine.name}: {path} is the host's network")
        own = processes.is_inside(its_own)
        processes.freeze(own)
        held = processes.networks_of(own)
        namespaces = network.named_after_containers(held)
        namespaces |= network.container_namespaces(machine)
        processes.kill_every(own)
    if containers:
        processes.kill_every(processes.is_of(containers))
    return namespaces


def _mount_lines() -> list[bytes]:
    return MOUNTS.read_bytes().splitlines()


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)])


def _is_below(path: str, folders: tuple[Path, ...]) -> bool:
    return any(path == str(top) or path.startswith(f"{top}/") for top in folders)


def _remove_cgroups(containers: frozenset[str]) -> None:
    """Remove the cgroups named after these containers in every hierarchy."""
    deadline = time.monotonic() + CGROUP_FREE_WITHIN
    while left := [path for path in _cgroups(containers) if not _removed(path)]:
        if time.monotonic() > deadline:
            raise LabError(f"cannot remove cgroup {left[0]}: a process is still in it")
        time.sleep(CGROUP_LOOK_EVERY)


def _cgroups(containers: frozenset[str]) -> list[Path]:
    """Return them and all below them, children first."""
    if not containers:
        return []
    walk = os.walk(podman.CGROUPS, topdown=False)
    folders = (path for path, _, _ in walk)
    return [Path(path) for path in folders if _names_one(path, containers)]


def _names_one(path: str, containers: frozenset[str]) -> bool:
    found = processes.CONTAINER_CGROUP.findall(path)
    return not containers.isdisjoint(found)


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
