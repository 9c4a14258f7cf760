"""What neighbours' claims change about who holds a slot.

Rules (DESIGN §7):

- The highest term wins, but a claim is ignored while the slot's holder is heard and
  says that it holds it: a liar cannot talk a slot away from its holder. One that is
  leaving or drained waits to be relieved, and is not protected so.
- A slot of our own goes to another only for a *healthy* claim of a higher term, and
  only if contact both ways with the claimant was lost since our tenure began, or our
  copy does not run, or we are leaving, or it goes back to whom it was taken from, or
  both took it in the same race. The hub's plan saying the same is no proof: the hub
  has it from the claimant.
- If ours is the copy that stays (`node.rejoin`), our term is raised above all others;
  that is how the others hear of it. So it is if the other's should stay and may not
  have the slot. When both insist a lot decides; when the winner of the lot is not
  believed either, whoever may yield does.
- ``strict`` slots follow their lease: while we hold it no claim counts. One of a
  higher term makes us raise ours: who heard it would look for the slot elsewhere, long
  after the claimant gave way. And who does look there, at one that is heard and claims
  nothing, believes the one that says it has it, whatever its term.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edge.names import Slot
from netmesh.view import Peer
from node import claims, rejoin
from node.claims import Claim
from node.rejoin import Contender
from node.scene import Own, Scene, Told
from node.succession import Movable
from node.tenure import Tenure

RACE = 10.0
"""Seconds after our tenure began in which another may turn out to have taken the slot
as well: claims get lost, and the hub gives away what a revoked device had."""
INSIST = 3
"""How often a term is raised in one quarrel before a lot decides it."""
GIVE_IN = 2 * INSIST
"""How often it is raised before we give in: the other may not yield to us."""
ENOUGH = 4 * INSIST
"""How often it is raised against one who may not have the slot: every time is a write,
and a liar would have us write for ever."""
HEARD = frozenset({"alive", "suspect", "leaving"})
Claims = Mapping[Slot, tuple[Claim, ...]]


def collect(scene: Scene) -> Claims:
    """Return what the site's devices claim, by slot, in the order of devices."""
    found: dict[Slot, list[Claim]] = {}
    for device, rumours in sorted(scene.view.rumours.items()):
        if device not in scene.view.peers:
            continue
        for key, body in sorted(rumours.items()):
            claim = claims.decode(device, key, body)
            if claim is not None and claim.slot in scene.movable:
                found.setdefault(claim.slot, []).append(claim)
    return {slot: tuple(each) for slot, each in found.items()}


@dataclass(slots=True, kw_only=True)
class Contest:
    """One look at the claims; changes the tenure and says what it changed."""

    me: str
    tenure: Tenure
    scene: Scene
    claimed: Claims
    now: float
    leased: frozenset[Slot] = frozenset()
    """``strict`` slots whose lease we hold."""

    def settle(self) -> list[Told]:
        """Take the word of claims that count; return what happened."""
        told: list[Told] = []
        for slot, found in sorted(self.claimed.items()):
            holding = [
                each
                for each in found
                if each.is_holding and self.tenure.is_near(slot, each.term)
            ]
            if self.tenure.holder(slot) == self.me:
                told += self._defend(slot, holding)
            else:
                told += self._follow(slot, holding)
        return told

    def _follow(self, slot: Slot, holding: list[Claim]) -> list[Told]:
        """Believe the highest claim to a slot that is not ours."""
        owner = self.tenure.holder(slot)
        better = [each for each in holding if each.term > self.tenure.term(slot)]
        if not better and self._is_astray(slot, owner):
            better = self._next_term(slot, holding)
        if not better or self._is_held_by(owner, holding, better):
            return []
        best = max(better, key=lambda each: (each.term, each.device))
        self.tenure.learn(slot, best.device, best.term)
        if owner in {"", best.device}:
            return []
        text = f"{self._name(best.device)} has it in term {best.term}"
        return [Told(kind="moved", subject=slot, text=text)]

    def _is_astray(self, slot: Slot, owner: str) -> bool:
        """Return whether a ``strict`` slot is not where we believe it is.

        Its owner took it without the lease and gave way to whom we did not hear of, or
        to one whose term is lower. It has been heard for long enough to say otherwise,
        and no plan is about to make it start.
        """
        peer = self.scene.view.peers.get(owner)
        if self.scene.movable[slot].workload.failover != "strict" or peer is None:
            return False
        is_silent = all(each.device != owner for each in self.claimed[slot])
        is_here = peer.state == "alive" and self.now - peer.since >= RACE
        is_planned = self.scene.planned.get(slot, ("", 0))[0] == owner
        return is_silent and is_here and not is_planned

    def _next_term(self, slot: Slot, holding: list[Claim]) -> list[Claim]:
        """Return the claim of the device that is heard to hold a slot, if it is one.

        In the term it would have, had it taken it from the one we believed in.
        """
        heard = [each for each in holding if self._is_heard(each.device)]
        term = self.tenure.term(slot) + 1
        return [replace(each, term=term) for each in heard] if len(heard) == 1 else []

    def _is_held_by(
        self, owner: str, holding: list[Claim], better: list[Claim]
    ) -> bool:
        """Return whether we hear the owner say that the slot is its own."""
        if any(each.device == owner for each in better):
            return False
        if self._is_going(owner):
            return False
        return self._is_heard(owner) and any(each.device == owner for each in holding)

    def _defend(self, slot: Slot, holding: list[Claim]) -> list[Told]:
        """Decide between our own copy and others'."""
        rivals = [each for each in holding if self._is_heard(each.device)]
        if not rivals:
            return []
        if slot in self.leased:
            return self._outbid(slot, rivals)
        movable = self.scene.movable[slot]
        if movable.workload.failover == "strict":
            return self._yield(slot, max(rivals, key=_by_term), "it holds the lease")
        self._note_race(slot, rivals)
        mine = Contender(
            device=self.me,
            term=self.tenure.term(slot),
            running_for=self._own(slot).running_for,
        )
        stays = self._stays(slot, mine, rivals, movable)
        other = next((each for each in rivals if each.device == stays), None)
        if other is None:
            return self._keep(slot, rivals)
        if self._is_unproved(slot, other):
            return self._outbid(slot, rivals)
        return self._yield(slot, other, movable.workload.rejoin)

    def _keep(self, slot: Slot, rivals: list[Claim]) -> list[Told]:
        """Insist on a slot, or give in to whoever cannot let go of it."""
        if self.tenure.insisted(slot, self.now) >= GIVE_IN:
            given = self._yield(slot, max(rivals, key=_by_term), "it may not yield")
            if given:
                return given
        return self._raise(slot, rivals)

    def _stays(
        self, slot: Slot, mine: Contender, rivals: Iterable[Claim], movable: Movable
    ) -> str:
        if self.scene.is_leaving:
            return max(rivals, key=_by_term).device
        owner = self.tenure.owners[slot]
        others = [
            Contender(
                device=each.device,
                term=each.term,
                running_for=each.running_for if each.state == "running" else 0.0,
            )
            for each in rivals
        ]
        if self.tenure.insisted(slot, self.now) >= INSIST:
            return rejoin.drawn((mine, *others)).device
        original = owner.original or self.me
        policy = movable.workload.rejoin
        return rejoin.winner(policy, (mine, *others), original).device

    def _outbid(self, slot: Slot, rivals: list[Claim]) -> list[Told]:
        """Insist on a slot against who may not have it, so often and no more."""
        is_enough = self.tenure.insisted(slot, self.now) >= ENOUGH
        return [] if is_enough else self._raise(slot, rivals)

    def _raise(self, slot: Slot, rivals: list[Claim]) -> list[Told]:
        highest = max(each.term for each in rivals)
        if highest < self.tenure.term(slot):
            return []
        self.tenure.raise_term(slot, highest + 1)
        self.tenure.insist(slot, self.now)
        names = ", ".join(self._name(each.device) for each in rivals)
        text = f"stays here in term {highest + 1}: {names} ran it as well"
        return [Told(kind="kept", subject=slot, text=text)]

    def _yield(self, slot: Slot, claim: Claim, why: str) -> list[Told]:
        if claim.term <= self.tenure.term(slot) or not self._may_yield(slot, claim):
            return []
        self.tenure.learn(slot, claim.device, claim.term)
        text = f"{self._name(claim.device)} keeps it in term {claim.term} ({why})"
        return [Told(kind="yielded", subject=slot, text=text)]

    def _may_yield(self, slot: Slot, claim: Claim) -> bool:
        return not self._own(slot).is_running or (
            claim.is_healthy and not self._is_unproved(slot, claim)
        )

    def _is_unproved(self, slot: Slot, claim: Claim) -> bool:
        """Return whether a healthy copy is no reason to end ours that runs."""
        if not self._own(slot).is_running or not claim.is_healthy:
            return False
        owner = self.tenure.owners[slot]
        peer = self.scene.view.peers[claim.device]
        since = self.tenure.since.get(slot, float("-inf"))
        was_lost = peer.lost_at >= since
        is_rival = claim.device in {owner.original, *self.tenure.rivals.get(slot, ())}
        return not (self.scene.is_leaving or is_rival or was_lost)

    def _note_race(self, slot: Slot, rivals: Iterable[Claim]) -> None:
        """Remember who took a slot when we did."""
        since = self.tenure.since.get(slot, float("-inf"))
        term = self.tenure.term(slot)
        is_given = term == 1 or slot in self.tenure.raised  # by the hub, by ourselves
        if self.now > since + RACE or is_given:
            return
        racing = {each.device for each in rivals if each.term >= term}
        if racing:
            self.tenure.rivals.setdefault(slot, set()).update(racing)

    def _is_going(self, owner: str) -> bool:
        """Return whether the owner wants to be relieved of what it holds."""
        peer = self.scene.view.peers.get(owner)
        is_leaving = peer is not None and peer.state == "leaving"
        return is_leaving or is_drained(self.scene, owner)

    def _own(self, slot: Slot) -> Own:
        return self.scene.own.get(slot, Own())

    def _is_heard(self, device: str) -> bool:
        peer = self.scene.view.peers.get(device)
        return peer is not None and peer.state in HEARD

    def _name(self, device: str) -> str:
        return name_of(self.scene.view.peers.get(device), device)


def hear_versions(tenure: Tenure, claimed: Claims) -> None:
    """Remember in which revision the holders of slots say that they run them."""
    for slot, found in claimed.items():
        holder = tenure.holder(slot)
        for each in found:
            if each.device == holder and each.is_holding and each.version:
                tenure.versions[slot] = each.version


def is_held(scene: Scene, claimed: Claims, slot: Slot, besides: str) -> bool:
    """Return whether another device than ``besides`` is heard to hold a slot."""
    peers = scene.view.peers
    return any(
        each.is_holding
        and each.device != besides
        and peers[each.device].state in {"alive", "suspect"}
        and not is_drained(scene, each.device)
        for each in claimed.get(slot, ())
    )


def is_drained(scene: Scene, device: str) -> bool:
    """Return whether an operator wants a device to hand over what it holds."""
    node = scene.nodes.get(device)
    return node is not None and node.scheduling == "drained"


def name_of(peer: Peer | None, device: str) -> str:
    """Return the name people know a device by."""
    return peer.name if peer else device


def _by_term(claim: Claim) -> tuple[int, str]:
    return claim.term, claim.device
