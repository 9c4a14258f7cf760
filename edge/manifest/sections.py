"""The tables inside a workload: resources, security, health, and its command lines."""

import msgspec

from edge.manifest import kernel, parts, scalars
from edge.manifest.fields import Table, converted, list_of
from edge.model import Health, Resources, Security

MEMORY_MIN = 1024 * 1024  # bytes; less is a forgotten unit: no program starts in it
CPUS_MIN = 0.01  # the kernel's smallest quota: 1 ms in a period of 100 ms
CPUS_MAX = 4096.0
PIDS_MAX = 2**22  # Linux's own limit, PID_MAX_LIMIT
PROBE_EVERY = (0.1, 86400.0)
PROBE_TIMEOUT = (0.1, 3600.0)
START_PERIOD = (0.0, 86400.0)  # a day: longer is never checked at all
PROBES = ("http", "tcp", "command")


def command(table: Table, key: str) -> tuple[str, ...]:
    """Return a command line; no shell is between, so it is a list of words."""
    value = table.content.get(key, [])
    place = table.place.at(key)
    if isinstance(value, str):
        advice = 'no shell splits it; write a list such as ["sh", "-c", "…"]'
        raise place.error(f"cannot use {scalars.shown(value)}: {advice}")
    return tuple(
        converted(item, parts.argument, place.at(index))
        for index, item in enumerate(list_of(value, place))
    )


def resources(table: Table) -> Resources:
    """Return the limits of a workload."""
    default = Resources()
    inner = table.table("resources", _keys(Resources))
    return Resources(
        memory=inner.read("memory", scalars.size(MEMORY_MIN), default.memory),
        cpus=inner.read("cpus", scalars.number(CPUS_MIN, CPUS_MAX), default.cpus),
        pids=inner.read("pids", scalars.whole(1, PIDS_MAX), default.pids),
    )


def security(table: Table) -> Security:
    """Return what a workload is given back; seccomp may say "unconfined"."""
    inner = table.table("security", _keys(Security))
    return Security(
        capabilities=tuple(sorted(inner.items("capabilities", kernel.capability))),
        privileges=inner.read("privileges", scalars.flag, default=False),
        seccomp=inner.read("seccomp", _seccomp, default=True),
        read_only=inner.read("read_only", scalars.flag, default=False),
    )


def _seccomp(value: object) -> bool:
    if isinstance(value, str):
        return scalars.choice(("default", "unconfined"))(value) == "default"
    return scalars.flag(value)


def health(table: Table) -> Health | None:
    """Return how to probe a workload, None when nothing is said."""
    if "health" not in table:
        return None
    default = Health()
    inner = table.table("health", _keys(Health))
    probes = [probe for probe in PROBES if probe in inner]
    if len(probes) != 1 or inner.content[probes[0]] in ("", []):
        problem = "cannot tell how to probe: write exactly one of http, tcp, command"
        raise inner.place.error(problem)
    if probes != ["command"] and table.content.get("network") == "none":
        problem = 'cannot probe over the network with network = "none"'
        raise inner.error(probes[0], f"{problem}: write health = {{ command = [ … ] }}")
    seconds = scalars.duration
    return Health(
        http=inner.read("http", parts.http, ""),
        tcp=inner.read("tcp", parts.tcp, ""),
        command=command(inner, "command"),
        every=inner.read("every", seconds(*PROBE_EVERY), default.every),
        timeout=inner.read("timeout", seconds(*PROBE_TIMEOUT), default.timeout),
        start_period=inner.read("start_period", seconds(*START_PERIOD), 0.0),
        fail_after=inner.read("fail_after", scalars.whole(1, 1000), default.fail_after),
    )


def _keys(shape: type[msgspec.Struct]) -> dict[str, str]:
    """Return the fields of a part of a workload: the table has the same keys."""
    return {field.name: "" for field in msgspec.structs.fields(shape)}
