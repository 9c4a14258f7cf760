"""mDNS: a hub says where it is, a device asks. For neighbours see `netmesh.peers`.

A hint, never proof: anyone on the LAN can answer. What is found are addresses to
try; signatures and certificates decide who is there. Rules:

- Answers are bounded in number and kind: so many names, so many addresses, unicast
  ones only, of the fleet that was asked for.
- A hub does not wait for its own announcement (1.2 s), and announces again when its
  addresses change: a board may start before its network.
- A device asks in a process of its own that is gone afterwards: it keeps neither
  zeroconf's 5 MiB nor an open port 5353, and hostile packets meet no key of ours.
"""

import asyncio
import ipaddress
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edge import names
from edge.errors import ConfigError
from edge.names import FleetName

if TYPE_CHECKING:
    from zeroconf import Zeroconf

SERVICE = "_tutti-hub._tcp.local."
VERSION = "1"
NAMES_MAX = 32  # instances looked at; a hub needs one, a liar may have thousands
ADDRESSES_MAX = 8  # of one instance
FOUND_MAX = 64  # addresses in all
SETTLE_FOR = 1.0  # seconds to go on listening after the first hub: there may be more
RESOLVE_WITHIN = 3000  # milliseconds, zeroconf's unit
LOOK_EVERY = 30.0  # seconds between looks at this machine's addresses
START_WITHIN = 10.0  # seconds for the other process to start, on a slow board
OUTPUT_MAX = 64 * 1024
IPV6 = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What a hub says of itself."""

    fleet: FleetName
    instance: str
    """Tells two hubs of a fleet apart; letters, digits and hyphens."""
    port: int
    addresses: tuple[str, ...] = ()
    """Where it listens; all addresses of this machine when empty."""


async def advertise(announcement: Announcement) -> None:
    """Answer for a hub until cancelled; a machine without a network is no error."""
    while True:
        addresses = announcement.addresses or own_addresses()
        if not addresses:
            await asyncio.sleep(LOOK_EVERY)
            continue
        try:
            await _answer(announcement, addresses)
        except OSError:  # a network that comes or goes just now
            await asyncio.sleep(LOOK_EVERY)


async def find_hubs(fleet: FleetName, *, within: float) -> tuple[str, ...]:
    """Return the addresses, ``https://…``, that hubs of a fleet claim on this LAN.

    Takes up to ``within`` seconds, a second after the first answer otherwise. Nobody
    there is an empty answer.
    """
    if not names.is_name(fleet):
        raise ConfigError(f"cannot look for hubs of {fleet!r}: {names.NAME_RULE}")
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "netmesh.discovery", fleet, f"{within:g}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": import_path()},
    )
    try:
        async with asyncio.timeout(within + START_WITHIN):
            printed = await _output(asking)
    except TimeoutError:
        return ()
    finally:
        if asking.returncode is None:
            asking.kill()
            await asking.wait()
    return tuple(printed.decode("ascii", "replace").split())[:FOUND_MAX]


async def browse(fleet: FleetName, *, within: float) -> tuple[str, ...]:
    """Do what `find_hubs` does, in this process."""
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf  # noqa: PLC0415

    search = _Search(fleet=fleet)
    async with AsyncZeroconf() as asking, asyncio.TaskGroup() as group:

        def notice(zeroconf: "Zeroconf", name: str, **_: object) -> None:
            if search.wants(name):
                task = group.create_task(search.resolve(zeroconf, name))
                search.names[name] = task

        browser = AsyncServiceBrowser(asking.zeroconf, SERVICE, handlers=[notice])
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await search.has_found.wait()
                await asyncio.sleep(SETTLE_FOR)
        await browser.async_cancel()
        for task in search.names.values():
            task.cancel()
    return tuple(search.found)[:FOUND_MAX]


def candidates(
    fleet: FleetName,
    properties: Mapping[bytes, bytes | None],
    addresses: Iterable[str],
    port: int | None,
) -> tuple[str, ...]:
    """Return the addresses in one answer that are worth trying, none for a stranger."""
    said = properties.get(b"fleet"), properties.get(b"v")
    if said != (fleet.encode(), VERSION.encode()) or not port:
        return ()
    usable = [address for address in addresses if is_usable(address)]
    return tuple(_url(address, port) for address in usable[:ADDRESSES_MAX])


def own_addresses() -> tuple[str, ...]:
    """Return this machine's addresses that others may reach, sorted."""
    import ifaddr  # noqa: PLC0415 - comes with zeroconf, which uses the same list

    found = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    # IPv6 comes as (address, flow, scope).
    addresses = {ip if isinstance(ip, str) else ip[0] for ip in found}
    return tuple(sorted(address for address in addresses if is_usable(address)))


def import_path() -> str:
    """Return where the other process finds this package, installed or not."""
    here = str(Path(__file__).parents[1])
    return os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))


def is_usable(address: str) -> bool:
    """Whether another machine could reach it: no loopback, groups or scopes."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    special = ip.is_loopback or ip.is_multicast or ip.is_unspecified or ip.is_reserved
    return not special and not (ip.version == IPV6 and ip.is_link_local)


def main() -> None:
    """Print what is found, an address a line: fleet and seconds are the arguments."""
    fleet, within = FleetName(sys.argv[1]), float(sys.argv[2])
    print("\n".join(asyncio.run(browse(fleet, within=within))))  # noqa: T201


@dataclass(slots=True, kw_only=True)
class _Search:
    """What one look at the LAN has found so far."""

    fleet: FleetName
    found: dict[str, None] = field(default_factory=dict)  # a set in order of arrival
    names: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    has_found: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, name: str) -> bool:
        return name not in self.names and len(self.names) < NAMES_MAX

    async def resolve(self, zeroconf: "Zeroconf", name: str) -> None:
        from zeroconf import Error  # noqa: PLC0415
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415

        info = AsyncServiceInfo(SERVICE, name)
        with suppress(Error, OSError):
            if await info.async_request(zeroconf, RESOLVE_WITHIN):
                addresses = info.parsed_addresses()
                urls = candidates(self.fleet, info.properties, addresses, info.port)
                self.found.update(dict.fromkeys(urls))
        if self.found:
            self.has_found.set()


async def _answer(announcement: Announcement, addresses: tuple[str, ...]) -> None:
    """Announce these addresses for as long as this machine keeps the ones it has."""
    from zeroconf import Error  # noqa: PLC0415
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415

    name = f"{announcement.fleet}-{announcement.instance}"
    info = AsyncServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=announcement.port,
        properties={"fleet": announcement.fleet, "v": VERSION},
        server=f"{name}.local.",
        parsed_addresses=list(addresses),
    )
    before = own_addresses()
    async with AsyncZeroconf() as answering:  # says goodbye at its end
        with suppress(Error):
            await (await answering.async_register_service(info, allow_name_change=True))
        while own_addresses() == before:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(LOOK_EVERY)


async def _output(asking: asyncio.subprocess.Process) -> bytes:
    if asking.stdout is None:
        return b""
    printed = await asking.stdout.read(OUTPUT_MAX)
    await asking.wait()
    return printed


def _url(address: str, port: int) -> str:
    return (
        f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"
    )


if __name__ == "__main__":
    main()
