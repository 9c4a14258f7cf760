"""All leases of one device: its own vote, and a holder for each ``strict`` slot.

The vote of this device is asked without a message. A slot's promises are given back
only when its container has stopped, or when a round of a slot that does not run failed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.documents import Voters
from edge.names import Slot
from node.lease import (
    Denied,
    Granted,
    Holder,
    Lease,
    LeaseMessage,
    Released,
    Request,
    Voter,
)

Mail = tuple[str, LeaseMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A ``strict`` slot that is ours: in which term, for how long at a time."""

    term: int
    lease: float
    patience: float = 0.0


@dataclass(slots=True, kw_only=True)
class Leasing:
    """The strict side of failover; whatever it returns is to be sent."""

    me: str
    voter: Voter
    holders: dict[Slot, Holder] = field(default_factory=dict)

    def take_up(self, document: Voters | None, now: float) -> bool:
        """Count by the newest voters; return whether they are new to us."""
        if document is None or document.version <= self.voter.version:
            return False
        self.voter.take_up(document.version, document.voters, now)
        for holder in self.holders.values():
            holder.restart()
        return True

    def restore(self, leases: Iterable[Lease], lengths: Mapping[Slot, float]) -> None:
        """Take up leases that a former start of this daemon held; they still count."""
        for each in leases:
            length = lengths.get(each.slot)
            if length is not None:
                holder = Holder(
                    me=self.me, slot=each.slot, term=each.term, lease=length
                )
                holder.until = each.until
                self.holders[each.slot] = holder

    def receive(self, device: str, message: LeaseMessage, now: float) -> list[Mail]:
        """Take in what a peer sent; return the answer."""
        match message:
            case Request():
                return [(device, self.voter.receive(message, device, now))]
            case Released():
                self.voter.release(message, device)
            case Granted() | Denied():
                holder = self.holders.get(Slot(message.slot))
                if holder is not None:
                    holder.receive(message, device, self.voter.voters, now)
        return []

    def step(
        self, wanted: Mapping[Slot, Want], running: frozenset[Slot], now: float
    ) -> list[Mail]:
        """Ask for what is wanted, give back what is not and has stopped."""
        mail: list[Mail] = []
        for slot in sorted(self.holders.keys() - wanted.keys()):
            if slot not in running:
                mail += self._broadcast(self.holders.pop(slot).release(now))
        for slot, want in sorted(wanted.items()):
            mail += self._pursue(self._holder(slot, want), now)
        return mail

    def held(self, now: float) -> dict[Slot, Lease]:
        """Return the leases under which replicas may run now."""
        found = ((slot, each.held(now)) for slot, each in sorted(self.holders.items()))
        return {slot: lease for slot, lease in found if lease is not None}

    def problem(self, slot: Slot, now: float) -> str:
        """Return why a slot has no lease, "" while it has one."""
        holder = self.holders.get(slot)
        if holder is None:
            return "waiting for the lease"
        return holder.problem(self.voter.voters, now)

    def denial(self, slot: Slot) -> tuple[str, int] | None:
        """Return who holds a slot by what voters say, in which term.

        Ourselves only if they name nobody else: for a term that we forgot. One that
        abstains remembers whom it promised something before its reboot, and knows
        nothing of now.
        """
        holder = self.holders.get(slot)
        current = holder.open or holder.failed if holder else None
        told = current.denied.values() if current else ()
        found = [
            (each.device != self.me, each.term, each.device)
            for each in told
            if each.device and each.why in {"held", "older-term"}
        ]
        if not found:
            return None
        _, term, device = max(found)
        return device, term

    def deadline(self, now: float) -> float | None:
        """Return when `step` has something to do."""
        if not self.voter.voters:
            return None
        times = [each.deadline() for each in self.holders.values()]
        times += [each.kill_at for each in self.held(now).values()]
        return min(times, default=None)

    def _holder(self, slot: Slot, want: Want) -> Holder:
        holder = self.holders.get(slot)
        if holder is None or holder.term != want.term:
            until = holder.until if holder else float("-inf")
            holder = Holder(me=self.me, slot=slot, term=want.term, lease=want.lease)
            # A raised term is the same tenure: what was promised for it stands.
            holder.until = until
            self.holders[slot] = holder
        holder.lease, holder.patience = want.lease, want.patience
        return holder

    def _pursue(self, holder: Holder, now: float) -> list[Mail]:
        if not self.voter.voters:
            return []
        mail: list[Mail] = []
        request = holder.ask(self.voter.version, now)
        if request is not None:
            mail = self._ask(holder, request, now)
        back = holder.give_back()
        return mail + (self._broadcast(back) if back else [])

    def _ask(self, holder: Holder, request: Request, now: float) -> list[Mail]:
        silent = self.voter.voters - holder.waits_for() - {self.me}
        if self.me in self.voter.voters:
            answer = self.voter.receive(request, self.me, now)
            holder.receive(answer, self.me, self.voter.voters, now)
        return [(device, request) for device in sorted(silent)]

    def _broadcast(self, message: Released) -> list[Mail]:
        self.voter.release(message, self.me)
        return [(each, message) for each in sorted(self.voter.voters - {self.me})]
