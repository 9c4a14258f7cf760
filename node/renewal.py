"""Keeps this device's certificate fresh: at two thirds of its life, and however late.

A broker that refuses us may see a certificate that ended while our own clock says 1970,
so a refusal is a reason to ask as well. The hub answers the device's signing key and
hands out what it issued before while that is young: asking once too often is harmless.
"""

import asyncio
import sys
from dataclasses import dataclass

from edge import tls
from edge.errors import EdgeError
from node.agent import Agent
from node.link import Link
from node.settings import Settings

RENEW_AT = 2 / 3
"""Part of a certificate's life after which it is renewed."""
LOOK_EVERY = 3600.0
"""Seconds between looks at the certificate's dates."""
REFUSED_AGAIN = 15.0
"""Seconds until the next try while the broker refuses us; doubled each time, because
what it refuses may be the device and not its certificate."""


@dataclass(slots=True, kw_only=True)
class Renewal:
    """The task that renews; the connection comes back with the new certificate."""

    agent: Agent
    link: Link
    settings: Settings

    async def run(self) -> None:
        """Renew whenever it is due, until cancelled."""
        pause = REFUSED_AGAIN
        while True:
            if self.link.refused.is_set() or self._is_due():
                await self._renew()
            if self.link.refused.is_set():
                await asyncio.sleep(pause)
                pause = min(2 * pause, LOOK_EVERY)
            else:
                pause = REFUSED_AGAIN
                await self._refused_or(LOOK_EVERY)

    def _is_due(self) -> bool:
        device = self.agent.device
        try:
            valid = tls.validity(device.certificate.read_bytes())
        except (EdgeError, OSError):
            return True
        now = max(device.clock(), device.ledger.floor)
        life = valid.not_after - valid.not_before
        return now >= valid.not_before + RENEW_AT * life

    async def _renew(self) -> None:
        """Renew in a process of its own: its imports leave with it."""
        before = self._certificate()
        words = [sys.executable, "-m", "node.cli", "renew"]
        words += ["--state", str(self.settings.state), "--hub", self.settings.hub]
        try:
            process = await asyncio.create_subprocess_exec(
                *words, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            self.agent.tell("failed", "certificate", f"cannot renew it: {error}")
            return
        _, said = await process.communicate()
        if process.returncode:
            text = said.decode(errors="replace").strip()
            self.agent.tell("failed", "certificate", text.removeprefix("edge-node: "))
        elif self._certificate() != before:
            self.agent.tell("renewed", "certificate", "a new one is in use")
            await self.link.reload()

    def _certificate(self) -> bytes:
        try:
            return self.agent.device.certificate.read_bytes()
        except OSError:
            return b""

    async def _refused_or(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self.link.refused.wait()
        except TimeoutError:
            return
