"""One Podman for each machine, set up by files of the lab's own, never in /etc.

What a store needs to be a machine of its own, and to come back after power loss:

- its own root, runroot, tmpdir, network definitions and file locks;
- its own OCI runtime root, through a two-line script: conmon's clean-up passes no
  ``--runtime-flag`` on, would look in the shared root, and the crashed container
  could never be started again;
- its own home folder, so that nothing of the person at the keyboard (registry
  passwords, policies) reaches a machine;
- cgroupfs and files instead of systemd and journald, which a lab does not have.
"""

import json
import tempfile
from pathlib import Path

from edge import files
from edge.errors import LabError
from edge.lab import programs
from edge.lab.layout import LabLayout, Machine

SCRIPT = 0o755
CGROUPS = Path("/sys/fs/cgroup")
# Where the host's own hard limits are low, Podman's default of a million is refused.
ULIMITS = ("nofile=1024:1024", "nproc=4096:4096")
ACCEPT_ANY_IMAGE = {"default": [{"type": "insecureAcceptAnything"}]}
SERVICE_FOR = 5  # seconds the API stays after the last request, as systemd's unit does
CONTAINER_ID_LENGTH = 64
OVERLAY = "overlay"
VFS = "vfs"


def prepare(lab: LabLayout, machine: Machine) -> None:
    """Write the machine's Podman configuration; its store is made on first use."""
    runtime = _runtime()
    driver = _driver(lab)
    script = f'#!/bin/sh\nexec {runtime} --root {machine.run / "oci"} "$@"\n'
    files.write(machine.runtime, script.encode(), mode=SCRIPT)
    files.write(_config(machine), _containers_conf(machine, runtime.name).encode())
    files.write(_storage(machine), _storage_conf(machine, driver).encode())
    files.write(_registries(machine), _registries_conf(lab).encode())
    policy = machine.etc / ".config" / "containers" / "policy.json"
    files.write(policy, json.dumps(ACCEPT_ANY_IMAGE).encode())


def command(machine: Machine) -> tuple[str, ...]:
    """Return the command line that runs Podman on ``machine``, up to its verb.

    It works from anywhere on the host, as root, with any environment.
    """
    # nsenter and not `ip netns exec`: that one remounts /sys and hides the cgroups.
    return (
        "nsenter",
        f"--net={machine.namespace_path}",
        "env",
        "--ignore-environment",
        *(f"{key}={value}" for key, value in environment(machine).items()),
        *program(machine),
    )


def program(machine: Machine) -> tuple[str, ...]:
    """Return Podman's own part of `command`: it needs `environment`, and nsenter."""
    return (
        "podman",
        f"--root={machine.store}",
        f"--runroot={machine.runroot}",
        f"--tmpdir={machine.tmpdir}",
    )


def environment(machine: Machine) -> dict[str, str]:
    """Return the environment that makes Podman the machine's own."""
    return {
        "PATH": programs.PATH,
        "HOME": str(machine.etc),
        "CONTAINERS_CONF": str(_config(machine)),
        "CONTAINERS_STORAGE_CONF": str(_storage(machine)),
        "CONTAINERS_REGISTRIES_CONF": str(_registries(machine)),
    }


def containers(machine: Machine) -> frozenset[str]:
    """Return the full ids of all containers in the store, running or not."""
    # Folder names, not the index beside them: this has to work on a broken store.
    return frozenset(
        folder.name
        for folder in machine.store.glob("*-containers/*")
        if len(folder.name) == CONTAINER_ID_LENGTH and folder.is_dir()
    )


def _runtime() -> Path:
    """Return crun where cgroups are version 2 only, runc otherwise.

    Where version 1 controllers are mounted beside a bare version 2, crun refuses.
    """
    unified = (CGROUPS / "cgroup.controllers").exists()
    for name in ("crun", "runc") if unified else ("runc",):
        if found := programs.find(name):
            return Path(found)
    raise LabError("cannot run containers here: install runc (apt-get install runc)")


def _driver(lab: LabLayout) -> str:
    """Return overlay where the lab's file system can carry it, else vfs."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab.folder, prefix=".overlay.") as folder:
        for part in ("lower", "upper", "work", "merged"):
            Path(folder, part).mkdir()
        layers = f"lowerdir={folder}/lower,upperdir={folder}/upper"
        options = f"{layers},workdir={folder}/work"
        merged = f"{folder}/merged"
        try:
            programs.call("mount", "-t", OVERLAY, OVERLAY, "-o", options, merged)
        except LabError:
            return VFS
        programs.call("umount", merged)
        return OVERLAY


def _config(machine: Machine) -> Path:
    return machine.etc / "containers.conf"


def _storage(machine: Machine) -> Path:
    return machine.etc / "storage.conf"


def _registries(machine: Machine) -> Path:
    return machine.etc / "registries.conf"


def _containers_conf(machine: Machine, runtime: str) -> str:
    # JSON's strings and arrays of strings are TOML's as well.
    return f"""\
[containers]
default_ulimits = {json.dumps(ULIMITS)}
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
exit_command_delay = 1
image_copy_tmp_dir = "storage"
lock_type = "file"
runtime = "{runtime}"

[engine.runtimes]
{runtime} = [{json.dumps(str(machine.runtime))}]

[network]
network_backend = "netavark"
network_config_dir = {json.dumps(str(machine.networks))}
"""


def _storage_conf(machine: Machine, driver: str) -> str:
    return f"""\
[storage]
driver = "{driver}"
graphroot = {json.dumps(str(machine.store))}
runroot = {json.dumps(str(machine.runroot))}
"""


def _registries_conf(lab: LabLayout) -> str:
    return f"""\
[[registry]]
location = "{lab.registry}"
insecure = true
"""
