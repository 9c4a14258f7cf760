"""What `edgectl plan` says about a workload before anyone signs it.

`weakenings` names every field that gives back what the hardened defaults take away;
`notes` says what will not happen as one may expect. Sentences go after the workload's
name: "web: keeps the capability NET_ADMIN".
"""

from edge.model import Resources, Volume, Workload

PIDS = Resources().pids
TAKERS = 2  # `edge.model.Workload.takers`
ROOT = ("root", "0")


def weakenings(workload: Workload) -> tuple[str, ...]:
    """Return a sentence for each field that is weaker than its default."""
    return (*_security(workload), *_device(workload), *_process(workload))


def _security(workload: Workload) -> list[str]:
    security = workload.security
    found = [f"keeps the capability {name}" for name in security.capabilities]
    if security.privileges:
        found.append("set-uid programs in it may gain privileges")
    if not security.seccomp:
        found.append("may make every system call, seccomp is off")
    return found


def _device(workload: Workload) -> list[str]:
    found = [f"uses the device's {device}" for device in workload.devices]
    found += [_host_path(volume) for volume in workload.volumes if _is_host(volume)]
    if workload.network == "host":
        found.append("shares the device's network: every interface, every port")
    return found


def _process(workload: Workload) -> list[str]:
    found = []
    if workload.resources.pids > PIDS:
        pids = workload.resources.pids
        found.append(f"may start {pids} processes and threads, usual are {PIDS}")
    if not workload.init:
        found.append("runs without an init: nobody reaps its orphans")
    if workload.user.partition(":")[0] in ROOT:
        found.append("runs as root inside the container, whatever the image says")
    if workload.secrets and workload.takers > TAKERS:
        takers = workload.takers
        found.append(f"up to {takers} stand-ins hold its secrets, usual are {TAKERS}")
    return found


def _is_host(volume: Volume) -> bool:
    return volume.source.startswith("/")


def _host_path(volume: Volume) -> str:
    verb = "reads" if volume.read_only else "reads and writes"
    return f"{verb} {volume.source} of the device"


def notes(workload: Workload) -> tuple[str, ...]:
    """Return what a reader of the manifest might expect and will not get."""
    found = []
    kept = sorted({volume.source for volume in workload.volumes})
    if workload.failover != "none" and kept:
        found.append(f"what is in {', '.join(kept)} stays on the device it was on")
    if not workload.every and not workload.replicas:
        found.append("has replicas = 0 and runs nowhere")
    return tuple(found)
