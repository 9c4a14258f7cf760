"""Asks the LAN where missing neighbours are, and answers for this device, by mDNS.

`netmesh.peers` runs it as a process of its own, so that zeroconf's memory, an open port
5353 and hostile packets are gone when nobody is missing, and never meet a key of ours.

- Standard input says who is missing, device ids on a line; each new line replaces the
  one before. When it ends, because we are done or our parent died, this ends.
- Standard output says ``device address port``, a line for each address to try.
- Only the names of missing members are asked for, some at a time. Who else is called
  what on the LAN, how often, and whether it says goodbye, is never looked at.
"""

import asyncio
import os
import resource
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from netmesh import discovery
from netmesh.view import Address

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

SERVICE = "_tutti-node._tcp.local."
VERSION = "1"
ADDRESSES_MAX = 4  # of one device
ASKED_MAX = 16  # devices asked for in one round
ROUND_FIRST, ROUND_LAST = 1.0, 30.0  # seconds between rounds, doubled each time
RESOLVE_WITHIN = 2000  # milliseconds, zeroconf's unit
LOOK_EVERY = 1.0  # seconds between looks at addresses while there are none
MEMORY_MAX = 96 * 1024 * 1024  # bytes of data: what a flood of records may fill
NICENESS = 10  # whoever takes over meanwhile goes first
INSIDE = ("podman", "docker", "cni", "veth")
"""Interfaces that lead to containers: they are no neighbours."""


def places(
    properties: Mapping[bytes, bytes | None],
    expected: Mapping[bytes, bytes],
    addresses: Iterable[str],
    port: int | None,
) -> tuple[Address, ...]:
    """Return what in an answer is worth a try; none when it is not what was asked."""
    if any(properties.get(key) != value for key, value in expected.items()) or not port:
        return ()
    usable = [address for address in addresses if is_usable(address)]
    return tuple((address, port) for address in usable[:ADDRESSES_MAX])


def is_usable(address: str) -> bool:
    """Whether the mesh could try it: its socket knows IPv4 only."""
    return ":" not in address and discovery.is_usable(address)


def own_addresses() -> tuple[str, ...]:
    """Return where neighbours may reach this machine, sorted."""
    import ifaddr  # noqa: PLC0415 - comes with zeroconf

    found = {
        ip.ip
        for adapter in ifaddr.get_adapters()
        if not adapter.nice_name.startswith(INSIDE)
        for ip in adapter.ips
        if isinstance(ip.ip, str) and is_usable(ip.ip)
    }
    return tuple(sorted(found)[:ADDRESSES_MAX])


@dataclass(slots=True, kw_only=True)
class _Looking:
    """The process's side: answers for us, asks for those that are missing."""

    fleet: str
    device: str
    port: int
    rng: Random = field(default_factory=Random)
    wanted: tuple[str, ...] = ()
    pause: float = ROUND_FIRST
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Look until standard input ends; begin anew when our addresses change."""
        loop, orders = asyncio.get_running_loop(), asyncio.StreamReader()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
        )
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            while line := await orders.readline():
                self.wanted = tuple(line.decode("ascii", "replace").split())
                self.pause = ROUND_FIRST
                self.changed.set()
            looking.cancel()  # says goodbye

    async def _look(self) -> None:
        while True:
            if addresses := own_addresses():
                with suppress(OSError):  # a network that comes or goes just now
                    await self._look_from(addresses)
            await asyncio.sleep(LOOK_EVERY)

    async def _look_from(self, addresses: tuple[str, ...]) -> None:
        from zeroconf import IPVersion  # noqa: PLC0415
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415

        info = AsyncServiceInfo(
            SERVICE,
            f"{self.device}.{SERVICE}",
            port=self.port,
            properties=self._said(self.device),
            server=f"{self.device}.local.",
            parsed_addresses=list(addresses),
        )
        version, where = IPVersion.V4Only, list(addresses)
        async with AsyncZeroconf(interfaces=where, ip_version=version) as zeroconf:
            # Who else claims our name does not make us take another one.
            telling = await zeroconf.async_register_service(
                info, cooperating_responders=True
            )
            self.pause = ROUND_FIRST
            await asyncio.gather(telling, self._ask(zeroconf))
            while own_addresses() == addresses:
                await self._ask(zeroconf)

    async def _ask(self, zeroconf: "AsyncZeroconf") -> None:
        """Ask for some of the missing, all at once; then wait a little."""
        some = self.rng.sample(self.wanted, min(len(self.wanted), ASKED_MAX))
        await asyncio.gather(*(self._resolve(zeroconf, device) for device in some))
        self.changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.pause):
                await self.changed.wait()
        self.pause = min(self.pause * 2, ROUND_LAST)

    async def _resolve(self, zeroconf: "AsyncZeroconf", device: str) -> None:
        from zeroconf import Error  # noqa: PLC0415
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415

        _forget(zeroconf, device)
        info = AsyncServiceInfo(SERVICE, f"{device}.{SERVICE}")
        with suppress(Error, OSError):
            if not await info.async_request(zeroconf.zeroconf, RESOLVE_WITHIN):
                return
            expected = self._said(device)
            for address, port in places(
                info.properties, expected, info.parsed_addresses(), info.port
            ):
                print(device, address, port, flush=True)  # noqa: T201

    def _said(self, device: str) -> dict[bytes, bytes]:
        return {
            b"fleet": self.fleet.encode(),
            b"device": device.encode(),
            b"v": VERSION.encode(),
        }


def _forget(zeroconf: "AsyncZeroconf", device: str) -> None:
    """Forget what was said of a device, so that it is asked anew.

    A lie may be told to last for 68 years, and what is remembered is not asked for.
    """
    cache = zeroconf.zeroconf.cache
    for name in (f"{device}.{SERVICE}", f"{device}.local."):
        cache.async_remove_records(cache.async_entries_with_name(name))


def main() -> None:
    """Ask and answer: fleet, device and port are the arguments."""
    with suppress(OSError):  # a unit's filter may forbid it, and then has its own
        os.nice(NICENESS)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MAX, MEMORY_MAX))
    fleet, device, port = sys.argv[1:4]
    asyncio.run(_Looking(fleet=fleet, device=device, port=int(port)).run())


if __name__ == "__main__":
    main()
