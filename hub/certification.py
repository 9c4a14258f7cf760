"""Certificates for whoever a bundle lets in, or lets stay.

Policy is in `hub.registry`, the signature in `hub.authority`. A member or certificate
request that is known already is answered with what was issued for it, so a device that
lost the answer asks again.
"""

from dataclasses import dataclass

from edge.trust import Accepted, Known, Refused
from hub import identity, intake, registry
from hub.identity import Identity
from hub.intake import Certified, Result, Taken
from hub.registry import Issued
from hub.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Who issues, and for how many seconds."""

    identity: Identity
    life: float

    def certify(
        self, state: State, taken: Taken, now: float
    ) -> tuple[tuple[Result, ...], tuple[Issued, ...]]:
        """Return a result for each verdict, and certificates that were made for it.

        New ones are in ``state`` from now on; the caller commits them.
        """
        results: list[Result] = []
        made: list[Issued] = []
        for verdict in taken.verdicts:
            wants = _wants(verdict)
            certificate = b""
            if wants is not None:
                held = state.issued.setdefault(wants.subject, [])
                found = registry.reusable(held, wants.key, now)
                if found is None:
                    found = self._issue(wants, now)
                    held.append(found)
                    made.append(found)
                certificate = found.pem
            results.append(intake.result(verdict, certificate))
        return tuple(results), tuple(made)

    def _issue(self, wants: Certified, now: float) -> Issued:
        return identity.issue(self.identity, wants.subject, wants.key, now, self.life)


def _wants(verdict: Accepted | Known | Refused) -> Certified | None:
    if isinstance(verdict, Refused):
        return None
    return intake.certified(verdict.document)
