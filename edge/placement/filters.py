"""May this replica be on this device? Each filter answers None or why not.

The order is the order in which a person would want to hear it: what the operator
allowed, whether the device takes part, what it is, what room is left.

A replica that is there already *stays*: a cordon or silence does not move it, and a
port it holds is its own. While nothing about it was changed, only the operator moves
it: a device keeps what it runs when a camera is unplugged or a reading of memory
shrinks, so a hub that thought otherwise would run it twice.

CPU limits are not summed: they are ceilings the kernel shares out, not reservations,
and a device is rarely busy with all of them. Memory is reserved, because the kernel
kills when it runs out.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from edge.model import MIB, Workload
from edge.placement import ports
from edge.placement.views import GIB, Load, NodeView, free_memory

EVERYWHERE = "*"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One replica that wants a place."""

    deployment: str
    workload: Workload
    was: Workload | None = None
    """What the replica is on this very device until now; None when it comes anew."""

    @property
    def stays(self) -> bool:
        """Return whether it is there already."""
        return self.was is not None


def eligible(workload: Workload, *, site: str, labels: Mapping[str, str]) -> str | None:
    """Return None when the operator's limits allow the place, or why not.

    ``labels`` are all a device carries, ``fact.`` ones included. Devices use the same
    test on what the hub gives them, so a hub can not widen what was signed.
    """
    if workload.sites and site not in workload.sites:
        return f"site {site} is not among {', '.join(sorted(workload.sites))}"
    for key, value in _wanted(workload):
        if labels.get(key) != value:
            has = f", has {key}={labels[key]}" if key in labels else ""
            return f"needs label {key}={value}{has}"
    return None


def reason(ask: Ask, node: NodeView, load: Load) -> str | None:
    """Return why ``ask`` can not be on ``node`` beside ``load``, or None."""
    is_settled = ask.was == ask.workload
    for test in _SETTLED if is_settled else _FILTERS:
        if why := test(ask, node, load):
            return why
    return None


def _wanted(workload: Workload) -> Iterable[tuple[str, str]]:
    if workload.every and workload.every != EVERYWHERE:
        key, _, value = workload.every.partition("=")
        yield key, value
    if workload.require:
        yield from sorted(workload.require.items())


def _allowed(ask: Ask, node: NodeView, _load: Load) -> str | None:
    return eligible(ask.workload, site=node.site, labels=node.labels)


def _approved(_ask: Ask, node: NodeView, _load: Load) -> str | None:
    return None if node.ready else "not approved yet"


def _scheduled(ask: Ask, node: NodeView, _load: Load) -> str | None:
    if node.scheduling == "drained":
        return "is drained"
    if node.scheduling == "cordoned" and not ask.stays:
        return "is cordoned"
    return None


def _heard(ask: Ask, node: NodeView, _load: Load) -> str | None:
    # `every` has no other device to go to: its place waits for the device's return.
    if node.reporting or ask.stays or ask.workload.every:
        return None
    return "not heard from"


def _runs_image(ask: Ask, node: NodeView, _load: Load) -> str | None:
    platforms = ask.workload.image.platforms
    if any(platform.architecture == node.architecture for platform in platforms):
        return None
    return f"image has no {node.architecture}" if node.is_known else None


def _has_cpus(ask: Ask, node: NodeView, _load: Load) -> str | None:
    cpus = ask.workload.resources.cpus
    if not node.is_known or cpus <= node.cpus:
        return None
    return f"needs {cpus:g} cpus, has {node.cpus}"


def _has_devices(ask: Ask, node: NodeView, _load: Load) -> str | None:
    for device in ask.workload.devices:
        if node.is_known and device not in node.devices:
            return f"has no {device}"
    return None


def _holds_secrets(ask: Ask, node: NodeView, _load: Load) -> str | None:
    for name in sorted(ask.workload.secrets):
        if f"{ask.deployment}/{name}" not in node.sealed:
            return f"secret {ask.deployment}/{name} is not sealed to it"
    return None


def _has_ports(ask: Ask, _node: NodeView, load: Load) -> str | None:
    for port in ask.workload.ports:
        if holder := load.holder(port):
            return f"port {ports.spelled(port)} is taken by {holder}"
    return None


def _has_foreign_ports(ask: Ask, node: NodeView, _load: Load) -> str | None:
    own = ask.was.ports if ask.was else ()
    for port in ask.workload.ports:
        is_busy = any(ports.clash(port, busy) for busy in node.ports)
        if is_busy and port not in own:
            return f"port {ports.spelled(port)} is taken by a program of the device"
    return None


def _has_memory(ask: Ask, node: NodeView, load: Load) -> str | None:
    needs, free = ask.workload.resources.memory, free_memory(node, load)
    if not needs or not node.is_known or needs <= free:
        return None
    return f"needs {_mib(needs)}, has {_mib(max(free, 0))} free"


def _mib(count: int) -> str:
    if count >= 10 * GIB:
        return f"{count / GIB:.0f} GiB"
    return f"{count / MIB:.0f} MiB"


_Filter = Callable[[Ask, NodeView, Load], str | None]

_SETTLED: tuple[_Filter, ...] = (_allowed, _approved, _scheduled, _has_ports)
_FILTERS: tuple[_Filter, ...] = (
    _allowed,
    _approved,
    _scheduled,
    _heard,
    _runs_image,
    _has_cpus,
    _has_devices,
    _holds_secrets,
    _has_ports,
    _has_foreign_ports,
    _has_memory,
)
