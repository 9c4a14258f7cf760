"""What Podman is told to create for a replica: hardened unless the operator said less.

Always: every capability dropped, no new privileges, Podman's default seccomp filter, a
limit on processes, bounded logs, no health check of the image's own (Podman would run
it through systemd timers). What weakens one of them is a field of the signed workload.

A container is known by its labels; one without `FLEET_LABEL` of this fleet is not ours.
`digest` says whether a container is still what a workload asks for. It covers what
shapes the container, and not how many there are, where they may run or how they are
probed; nor the revision, so that a deploy that changes one workload leaves the others
alone. It covers the term only where the term is a promise (``strict``).
The body is Podman's own SpecGenerator (libpod API 4.0 and later).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from edge.errors import ConfigError
from edge.model import Port, Resources, Volume, Workload
from edge.names import DeploymentName, Slot, WorkloadName, replica_of
from node import backoff, secret_mounts
from node.replica import Replica

PREFIX = "tutti"
FLEET_LABEL = f"{PREFIX}.fleet"
SLOT_LABEL = f"{PREFIX}.slot"
DEPLOYMENT_LABEL = f"{PREFIX}.deployment"
WORKLOAD_LABEL = f"{PREFIX}.workload"
REVISION_LABEL = f"{PREFIX}.revision"
TERM_LABEL = f"{PREFIX}.term"
SPEC_LABEL = f"{PREFIX}.spec"

RENDERING = 1
"""Raised only when containers made by an older version must be made again."""
LOG_BYTES = 1024 * 1024  # of each container: enough to see why it failed
CPU_PERIOD = 100_000  # microseconds; the kernel's default
CPU_QUOTA_MIN = 1_000  # microseconds; the kernel refuses less
HOST_NAME_MAX = 63  # RFC 1035: a DNS label
UNPRIVILEGED_PORTS = "net.ipv4.ip_unprivileged_port_start"
# signal(7), the numbers of x86 and Arm; those that a program may stop on.
SIGNALS: Mapping[str, int] = MappingProxyType(
    {
        "HUP": 1,
        "INT": 2,
        "QUIT": 3,
        "KILL": 9,
        "USR1": 10,
        "USR2": 12,
        "TERM": 15,
        "WINCH": 28,
        "PWR": 30,
        # systemd in a container stops on it.
        "RTMIN+3": 37,
    }
)
SECRET_OPTIONS = ("rbind", "ro", "nosuid", "nodev", "noexec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What of this device enters every container."""

    fleet: str
    node: str
    architecture: str
    """As OCI spells it: amd64, arm64, arm."""
    secrets: str
    """The vault's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the labels of a container of ours say."""

    slot: Slot
    deployment: DeploymentName
    workload: WorkloadName
    version: int
    term: int
    spec: str


def name(replica: Replica) -> str:
    """Return the container's name: ``tutti-web_web.2_r3``.

    ``_`` and ``.`` are in no deployment's or workload's alphabet, so two replicas
    cannot share a name. It is no hexadecimal word either: Podman takes a name that
    matches nothing for the beginning of an ID.
    """
    part = replica_of(replica.slot).replace("@", "_")
    return f"{PREFIX}-{replica.deployment}_{part}_r{replica.version}"


def image_id(replica: Replica, architecture: str) -> str:
    """Return the signed image ID for an architecture, "" if there is none."""
    for platform in replica.workload.image.platforms:
        if platform.architecture == architecture:
            return platform.image_id
    return ""


def is_same(one: Workload, other: Workload) -> bool:
    """Return whether a container of one workload is what the other one asks for."""
    images = (one.image.platforms, other.image.platforms)
    return images[0] == images[1] and _shape(one) == _shape(other)


def digest(replica: Replica, host: Host) -> str:
    """Return what `SPEC_LABEL` must say for a container to be kept."""
    shape = _shape(replica.workload)
    fence = replica.term if replica.is_strict else 0
    place = [replica.deployment, replica.slot, image_id(replica, host.architecture)]
    device = [host.fleet, host.node, host.secrets]
    parts = (RENDERING, shape, replica.is_strict, fence, place, device)
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _shape(workload: Workload) -> Workload:
    """Return a workload without what no container is made from."""
    return msgspec.structs.replace(
        workload,
        replicas=0,
        every="",
        failover="none",
        require={},
        prefer={},
        sites=(),
        health=None,
        takers=0,
        image=msgspec.structs.replace(
            workload.image, reference="", tag="", digest="", platforms=()
        ),
    )


def read_labels(labels: Mapping[str, str] | None, fleet: str) -> Identity | None:
    """Return what the labels say, None unless they are whole and of this fleet."""
    if not labels or labels.get(FLEET_LABEL) != fleet:
        return None
    version, term = labels.get(REVISION_LABEL, ""), labels.get(TERM_LABEL, "")
    if not (version.isdecimal() and term.isdecimal() and labels.get(SLOT_LABEL)):
        return None
    return Identity(
        slot=Slot(labels[SLOT_LABEL]),
        deployment=DeploymentName(labels.get(DEPLOYMENT_LABEL, "")),
        workload=WorkloadName(labels.get(WORKLOAD_LABEL, "")),
        version=int(version),
        term=int(term),
        spec=labels.get(SPEC_LABEL, ""),
    )


def render(replica: Replica, host: Host) -> dict[str, Any]:
    """Return the body of Podman's create call for a replica.

    Raises `ConfigError` for what no container can be made of.
    """
    workload = replica.workload
    spec: dict[str, Any] = {
        "name": name(replica),
        # By ID: whoever re-tags an image on this device changes nothing.
        "image": image_id(replica, host.architecture).removeprefix("sha256:"),
        "labels": _labels(replica, host),
        "env": dict(workload.env) | _environment(replica, host),
        "init": workload.init,
        "mounts": [*_bind_mounts(workload), *_secret_mounts(replica, host)],
        "volumes": _named_volumes(replica),
        "devices": [{"path": path} for path in workload.devices],
        "resource_limits": _limits(workload.resources),
        "log_configuration": {"driver": "k8s-file", "size": LOG_BYTES},
        "healthconfig": {"Test": ["NONE"]},
        "systemd": "false",
        "stop_timeout": round(workload.stop_after),
    }
    return (
        spec
        | _process(workload)
        | _security(workload)
        | _network(replica)
        | (_restart(replica))
    )


def volume_name(deployment: str, source: str) -> str:
    """Return Podman's name of a deployment's named volume: ``tutti-web_files``.

    Two deployments that both say ``data`` do not share it.
    """
    return f"{PREFIX}-{deployment}_{source}"


def _labels(replica: Replica, host: Host) -> dict[str, str]:
    return {
        FLEET_LABEL: host.fleet,
        SLOT_LABEL: replica.slot,
        DEPLOYMENT_LABEL: replica.deployment,
        WORKLOAD_LABEL: replica.workload.name,
        REVISION_LABEL: str(replica.version),
        TERM_LABEL: str(replica.term),
        SPEC_LABEL: digest(replica, host),
    }


def _environment(replica: Replica, host: Host) -> dict[str, str]:
    return {
        "EDGE_NODE": host.node,
        "EDGE_SLOT": replica.slot,
        "EDGE_DEPLOYMENT": replica.deployment,
        "EDGE_REVISION": str(replica.version),
        "EDGE_FENCE": str(replica.term),
    }


def _process(workload: Workload) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "command": list(workload.command),
        "entrypoint": list(workload.entrypoint),
        "user": workload.user,
        "work_dir": workload.working_folder,
        "stop_signal": _signal_number(workload.stop_signal),
    }
    return {key: value for key, value in asked.items() if value}


def _signal_number(word: str) -> int:
    """Return Linux's number of ``SIGTERM``, ``TERM`` or ``15``; 0 for no word."""
    if word.isdecimal():
        return int(word)
    number = SIGNALS.get(word.removeprefix("SIG"), 0)
    if word and not number:
        known = ", ".join(SIGNALS)
        raise ConfigError(f"cannot stop by signal {word!r}: use one of {known}")
    return number


def _security(workload: Workload) -> dict[str, Any]:
    wanted = workload.security
    # podman-py drops security_opt=["no-new-privileges"] in silence; this is the field
    # the API reads.
    secured: dict[str, Any] = {
        "cap_drop": ["all"],
        "cap_add": [f"CAP_{word.removeprefix('CAP_')}" for word in wanted.capabilities],
        "no_new_privileges": not wanted.privileges,
        "read_only_filesystem": wanted.read_only,
    }
    return (
        secured if wanted.seccomp else secured | {"seccomp_profile_path": "unconfined"}
    )


def _network(replica: Replica) -> dict[str, Any]:
    workload = replica.workload
    network: dict[str, Any] = {"netns": {"nsmode": workload.network}}
    if workload.network == "host":
        return network
    host_name = replica_of(replica.slot).replace(".", "-").replace("@", "-")
    network["hostname"] = host_name[:HOST_NAME_MAX].rstrip("-")
    # Without capabilities nobody binds port 80; in a network namespace of its own
    # there is nobody to protect from it.
    network["sysctl"] = {UNPRIVILEGED_PORTS: "0"}
    if workload.network == "bridge":
        network["portmappings"] = [_port(port) for port in workload.ports]
    return network


def _port(port: Port) -> dict[str, Any]:
    return {
        "host_ip": port.address,
        "host_port": port.host,
        "container_port": port.container,
        "protocol": port.protocol,
    }


def _restart(replica: Replica) -> dict[str, Any]:
    if replica.is_strict:
        return {"restart_policy": "no"}
    return {"restart_policy": "on-failure", "restart_tries": backoff.QUICK_REPAIRS}


def _limits(resources: Resources) -> dict[str, Any]:
    limits: dict[str, Any] = {"pids": {"limit": resources.pids}}
    if resources.memory:
        # The same for memory and swap: a limit that spills onto flash is none.
        limits["memory"] = {"limit": resources.memory, "swap": resources.memory}
    if resources.cpus:
        # nano_cpus is ignored by the service; quota and period are not.
        quota = max(CPU_QUOTA_MIN, round(resources.cpus * CPU_PERIOD))
        limits["cpu"] = {"quota": quota, "period": CPU_PERIOD}
    return limits


def _bind_mounts(workload: Workload) -> list[dict[str, Any]]:
    paths = [volume for volume in workload.volumes if volume.source.startswith("/")]
    return [
        _mount(volume.source, volume.target, ("rbind", _access(volume)))
        for volume in paths
    ]


def _secret_mounts(replica: Replica, host: Host) -> list[dict[str, Any]]:
    return [
        _mount(
            secret_mounts.place(host.secrets, name(replica), folder),
            folder,
            SECRET_OPTIONS,
        )
        for folder in secret_mounts.folders(replica.workload.secrets.values())
    ]


def _mount(source: str, target: str, options: tuple[str, ...]) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": source,
        "Destination": target,
        "Options": list(options),
    }


def _named_volumes(replica: Replica) -> list[dict[str, Any]]:
    return [
        {
            "Name": volume_name(replica.deployment, volume.source),
            "Dest": volume.target,
            "Options": [_access(volume)],
        }
        for volume in replica.workload.volumes
        if not volume.source.startswith("/")
    ]


def _access(volume: Volume) -> str:
    return "ro" if volume.read_only else "rw"
