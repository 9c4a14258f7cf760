"""Where a hub may be found: what was set, what the join file or root says, mDNS.

Only places to try: whoever answers must prove itself by signatures and certificate.
"""

import asyncio
from collections.abc import Iterable, Iterator

from edge.names import FleetName
from edge.trust import Ledger
from netmesh import discovery
from node import supervisor

BROWSE_FOR = 4.0
"""Seconds to listen for mDNS answers; one round trip takes about 1.6 s."""


def known(setting: str, join: Iterable[str], ledger: Ledger) -> tuple[str, ...]:
    """Return the addresses that are known without asking anyone, best first."""
    trusted = ledger.trust.hubs if ledger.trust else ()
    found = [setting, *join, *(hub.url for hub in trusted)]
    return tuple(dict.fromkeys(url for url in found if url))


def candidates(fleet: str, addresses: Iterable[str]) -> Iterator[str]:
    """Yield known addresses, and then, only if none of them did, what mDNS finds.

    Each is a sign of life: a list of hubs that are gone takes longer than a supervisor
    waits for one.
    """
    for url in addresses:
        supervisor.tell("WATCHDOG=1")
        yield url
    supervisor.tell("WATCHDOG=1")
    for url in asyncio.run(discovery.find_hubs(FleetName(fleet), within=BROWSE_FOR)):
        supervisor.tell("WATCHDOG=1")
        yield url
