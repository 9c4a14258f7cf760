"""Failover: whose each movable slot is, decided by every device of a site alike.

A pure machine. `step` looks at a `Scene` and returns an `Outcome`; what it learned is
in `saved`, to be written before the outcome is acted on. `receive` takes messages.

The order of a step: what the hub said, what neighbours claim, what is orphaned, leases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.names import Slot
from edge.placement import Load
from netmesh.view import NEVER, Peer
from node import claims, contest, succession
from node.claims import Claim, ClaimState
from node.contest import Claims, Contest, is_drained, name_of
from node.lease import LeaseMessage, Voter
from node.leasing import Leasing, Mail, Want
from node.scene import Outcome, Own, Scene, Told
from node.succession import Ranking
from node.tenure import Owner, Saved, Tenure

HEAR_FOR = 3.0
"""Seconds after a start in which an ``available`` replica that may have moved waits to
hear the site (DESIGN §7: or 3 s alone)."""
HEARD_FOR = 0.4
"""Seconds a neighbour must have been heard before its silence on a slot says something:
rumours follow the first contact within a round trip or two."""
UNKNOWN_FOR = 10.0
"""Seconds until a device that was never heard counts as gone, after a start or since
the plan named it: a whole site that lost its power boots within that."""
SILENT_FOR = 15.0
"""Seconds a holder may be alive and claim nothing: then it does not know that the slot
is its own. Two that gave way to each other, or an assignment that never arrived."""
BACK_FOR = 3.0
"""Seconds another one must say that it has a ``strict`` slot of ours: what it said
before it was lost is still about for a moment when it is back."""
PATIENCE = 0.7
"""Seconds of pause for each rank after a failed round of the lease."""


@dataclass(slots=True, kw_only=True)
class Failover:
    """One device's part in failover; ``started_at`` is when its daemon began."""

    me: str
    started_at: float
    voter: Voter
    tenure: Tenure = field(default_factory=Tenure)
    leasing: Leasing = field(init=False)
    _orphans: dict[Slot, float] = field(default_factory=dict)
    """When each slot was first seen without a holder."""
    _homeless: dict[Slot, str] = field(default_factory=dict)
    _back: dict[Slot, float] = field(default_factory=dict)
    """Since when another one says it has a ``strict`` slot that we took."""
    _silent: dict[Slot, float] = field(default_factory=dict)
    """Since when the holder of each slot has been alive and claims nothing."""
    _ranked: tuple[object, tuple[Slot, ...]] = (None, ())
    """What the standbys were computed from last, and they."""
    _braked: bool = False
    _is_settled: bool = False

    def __post_init__(self) -> None:
        """Give the voter to the leases."""
        self.leasing = Leasing(me=self.me, voter=self.voter)

    @property
    def saved(self) -> Saved:
        """Return what must survive a power cut."""
        return Saved(
            owners={**self.tenure.owners},
            promised=dict(self.voter.terms),
            longest=self.voter.longest,
        )

    def receive(self, device: str, message: LeaseMessage, now: float) -> list[Mail]:
        """Take in a lease message; write `saved` before the answer leaves."""
        return self.leasing.receive(device, message, now)

    def give_up(self, slot: Slot) -> None:
        """Forget that a slot is ours: an operator's word took it away."""
        owner = self.tenure.owners.get(slot)
        if owner is not None and owner.device == self.me:
            self.tenure.owners[slot] = Owner(device="", term=owner.term)

    def step(self, scene: Scene, now: float) -> Outcome:
        """Return what is ours and what to say; ``now`` by the clock of the view."""
        told: list[Told] = []
        self._listen(scene, now)
        claimed = contest.collect(scene)
        contest.hear_versions(self.tenure, claimed)
        told += self._learn(scene, claimed, now)
        rankings = self._rankings(scene, claimed, now)
        told += self._take_over(scene, rankings, now)
        mail, waits = self._lease(scene, now)
        waits = self._settle(scene, now) | waits
        leases = self.leasing.held(now)
        places, standby = self._places(scene), self._standby(scene)
        return Outcome(
            places=places,
            versions=self.tenure.had((*places, *standby), scene.versions),
            waits=waits,
            lapsed=self._lapsed(scene, now),
            standby=standby,
            homeless=dict(self._homeless),
            claims=self._claims(scene, waits),
            messages=tuple(mail),
            leases=leases,
            told=tuple(told),
            wake_at=self._wake_at(scene, now),
        )

    def _listen(self, scene: Scene, now: float) -> None:
        """Take in what operators and the hub said."""
        strict = [
            each.workload.lease
            for each in scene.movable.values()
            if each.workload.failover == "strict"
        ]
        self.voter.longest = max([self.voter.longest, *strict])
        self.leasing.take_up(scene.voters, now)
        self.voter.planned = frozenset(scene.planned) if scene.has_plan else None
        known = {*scene.movable, *scene.offered}
        self.tenure.keep_only(known)
        for slot, term in sorted(scene.offered.items()):
            if self.tenure.learn(slot, self.me, term):
                self.tenure.since[slot] = now
        for slot, (device, term) in sorted(scene.planned.items()):
            # What is ours, nobody takes away by a plan: it needs a claim or a cause.
            is_ours = self.tenure.holder(slot) == self.me
            if slot in scene.movable and not (is_ours and slot in scene.offered):
                if is_ours and device != self.me and self._runs(scene, slot):
                    continue
                if self.tenure.learn(slot, device, term) and device == self.me:
                    self.tenure.since[slot] = now
        for slot, owner in self.tenure.owners.items():
            if owner.device == self.me:
                # From before our start: meanwhile anybody may have had to take it.
                self.tenure.since.setdefault(slot, NEVER)

    def _learn(self, scene: Scene, claimed: Claims, now: float) -> list[Told]:
        """Take in what neighbours claim, and what voters say of ``strict`` slots."""
        told: list[Told] = []
        for slot, owner in sorted(self.tenure.owners.items()):
            denial = self.leasing.denial(slot) if owner.device == self.me else None
            if not denial or self.leasing.held(now).get(slot):
                continue  # a majority stands by us, whatever one voter remembers
            device, term = denial
            if not self.tenure.is_near(slot, term):
                continue
            # Two that took it in one term must not both give way to each other.
            is_higher = (term, device) > (owner.term, self.me) and device != self.me
            is_taker = is_higher and self._wants(scene, slot, device)
            if is_taker or self._is_back(scene, slot, device, now):
                self.tenure.learn(slot, device, max(term, owner.term + 1))
                text = f"{self._name(scene, device)} holds the lease"
                told.append(Told(kind="yielded", subject=slot, text=text))
            elif term > owner.term or (term == owner.term and device != self.me):
                # Voters remember one that is gone or gave way: they grant above it.
                self.tenure.raise_term(slot, term + 1)
        return (
            told
            + Contest(
                me=self.me,
                tenure=self.tenure,
                scene=scene,
                claimed=claimed,
                now=now,
                leased=frozenset(self.leasing.held(now)),
            ).settle()
        )

    def _is_back(self, scene: Scene, slot: Slot, device: str, now: float) -> bool:
        """Return whether another one has a ``strict`` slot, and has had for a while.

        It was silent for less than its lease; nobody asked it to go, nobody sent us.
        """
        if not self._says_it_has(scene, slot, device):
            self._back.pop(slot, None)
            return False
        since = self._back.setdefault(slot, now)
        return now - since >= BACK_FOR

    @staticmethod
    def _claim_of(scene: Scene, slot: Slot, device: str) -> Claim | None:
        """Return what a device that is alive says of a slot."""
        peer = scene.view.peers.get(device)
        if peer is None or peer.state != "alive":
            return None
        body = scene.view.rumours.get(device, {}).get(slot, b"")
        return claims.decode(device, slot, body)

    def _wants(self, scene: Scene, slot: Slot, device: str) -> bool:
        return self._claim_of(scene, slot, device) is not None

    def _says_it_has(self, scene: Scene, slot: Slot, device: str) -> bool:
        if is_drained(scene, device):
            return False
        claim = self._claim_of(scene, slot, device)
        was_given = scene.offered.get(slot, 0) >= self.tenure.term(slot)
        return claim is not None and claim.is_holding and not was_given

    def _rankings(
        self, scene: Scene, claimed: Claims, now: float
    ) -> dict[Slot, Ranking]:
        """Return who may take each slot that has no holder, in order.

        Slots are given out one after the other, so that two of them do not end up on
        one port of the same device.
        """
        holders = {slot: each.device for slot, each in self.tenure.owners.items()}
        orphans = [
            slot
            for slot in sorted(scene.movable)
            if self._is_orphan(scene, slot, now)
            # Cut from its owner, another one may have gone on, in a lower term.
            and not contest.is_held(scene, claimed, slot, holders[slot])
        ]
        if not orphans:
            return {}
        carried = succession.loads(
            {slot: each for slot, each in holders.items() if slot not in orphans},
            scene.movable,
        )
        candidates = self._candidates(scene)
        rankings: dict[Slot, Ranking] = {}
        for slot in orphans:
            movable = scene.movable[slot]
            ranking = succession.rank(
                movable, candidates, scene.nodes, carried, holders
            )
            rankings[slot] = ranking
            if ranking.order:
                first = ranking.order[0]
                holders[slot] = first
                carried.setdefault(first, Load()).add(slot, movable.workload)
        return rankings

    def _take_over(
        self, scene: Scene, rankings: Mapping[Slot, Ranking], now: float
    ) -> list[Told]:
        """Make ours what it is our turn to take."""
        self._orphans = {slot: self._orphans.get(slot, now) for slot in rankings}
        brake = succession.brake(scene.view)
        told = self._tell_brake(scene, brake, bool(rankings))
        self._homeless = {}
        for slot, ranking in sorted(rankings.items()):
            if not ranking.order:
                self._homeless[slot] = _nowhere(ranking)
                told += self._tell_homeless(scene, slot, now)
            elif brake != "held" and now >= self._turn_at(slot, ranking, brake):
                told.append(self._take(scene, slot, now))
        return told

    def _turn_at(self, slot: Slot, ranking: Ranking, brake: succession.Brake) -> float:
        """Return when it is our turn to take a slot, never if we may not."""
        if self.me not in ranking.order:
            return float("inf")
        hold = succession.HALF_HOLD if brake == "half" else 0.0
        rank = ranking.order.index(self.me)
        return self._orphans[slot] + hold + rank * succession.STEP

    def _take(self, scene: Scene, slot: Slot, now: float) -> Told:
        before = self.tenure.holder(slot)
        term = self.tenure.take(slot, self.me, now)
        self._orphans.pop(slot, None)
        text = f"taken over in term {term}: {_gone(scene, before)}"
        return Told(kind="takeover", subject=slot, text=text)

    def _lease(self, scene: Scene, now: float) -> tuple[list[Mail], dict[Slot, str]]:
        """Pursue the leases of ``strict`` slots that are ours."""
        wanted: dict[Slot, Want] = {}
        for slot in self._ours(scene):
            workload = scene.movable[slot].workload
            if workload.failover != "strict" or self._is_handed_over(scene, slot):
                continue
            patience = PATIENCE * self._rank_among_voters()
            term = self.tenure.term(slot)
            wanted[slot] = Want(term=term, lease=workload.lease, patience=patience)
        running = frozenset(slot for slot in scene.own if self._runs(scene, slot))
        mail = self.leasing.step(wanted, running, now)
        held = self.leasing.held(now)
        strict = [
            slot
            for slot in self._ours(scene)
            if scene.movable[slot].workload.failover == "strict"
        ]
        waits = {
            slot: self.leasing.problem(slot, now) for slot in strict if slot not in held
        }
        return mail, waits

    def _is_handed_over(self, scene: Scene, slot: Slot) -> bool:
        """Return whether a leaving device may let go of a ``strict`` slot now."""
        if not scene.is_leaving:
            return False
        for device, rumours in scene.view.rumours.items():
            peer = scene.view.peers.get(device)
            body = rumours.get(slot, b"")
            claim = claims.decode(device, slot, body)
            is_taker = claim is not None and claim.term > self.tenure.term(slot)
            if peer is not None and peer.state == "alive" and is_taker:
                return True
        return False

    def _rank_among_voters(self) -> int:
        order = sorted(self.voter.voters)
        return order.index(self.me) if self.me in order else len(order)

    def _lapsed(self, scene: Scene, now: float) -> frozenset[Slot]:
        held = self.leasing.held(now)
        return frozenset(
            slot
            for slot in self._ours(scene)
            if scene.movable[slot].workload.failover == "strict"
            and (slot not in held or self._is_handed_over(scene, slot))
            and self._runs(scene, slot)
        )

    def _settle(self, scene: Scene, now: float) -> dict[Slot, str]:
        """Return what must not start before we heard the site after our own start."""
        self._is_settled = self._is_settled or self._has_heard(scene, now)
        if self._is_settled:
            return {}
        return {
            slot: "hearing the neighbours first"
            for slot in self._ours(scene)
            if not self._runs(scene, slot)
        }

    def _has_heard(self, scene: Scene, now: float) -> bool:
        if now >= self.started_at + HEAR_FOR:
            return True
        if scene.nodes.keys() - scene.view.peers.keys() - {self.me}:
            return False  # the roster is on its way to the mesh's thread
        return all(
            each.state in {"alive", "leaving"} and now - each.since >= HEARD_FOR
            for each in scene.view.peers.values()
        )

    def _is_orphan(self, scene: Scene, slot: Slot, now: float) -> bool:
        owner = self.tenure.owners.get(slot)
        if owner is None or owner.device in {"", self.me}:
            return False
        if scene.has_plan and slot not in scene.planned:
            return False  # no slot of this site: the hub gives it to whom it likes
        peer = scene.view.peers.get(owner.device)
        if peer is None:
            # Revoked or gone from the site; or the mesh has not taken it up yet, or
            # its documents are on their way here: an old disk lacks them.
            return owner.device not in scene.nodes and owner.device not in scene.listed
        if peer.state == "unknown":
            return now >= self._given_up_at(peer)
        if self._is_silent(scene, slot, owner.device, now):
            return True
        is_gone = peer.state in {"dead", "leaving"}
        return is_gone or contest.is_drained(scene, owner.device)

    def _is_silent(self, scene: Scene, slot: Slot, device: str, now: float) -> bool:
        """Return whether a holder is there and has not claimed its slot for long."""
        is_alive = scene.view.peers[device].state == "alive"
        if not is_alive or self._wants(scene, slot, device):
            self._silent.pop(slot, None)
            return False
        return now - self._silent.setdefault(slot, now) >= SILENT_FOR

    def _given_up_at(self, peer: Peer) -> float:
        """Return when a device that was never heard counts as gone."""
        return max(self.started_at, peer.since) + UNKNOWN_FOR

    def _candidates(self, scene: Scene) -> frozenset[str]:
        found = {
            each.device for each in scene.view.peers.values() if each.state == "alive"
        }
        return frozenset(
            found | ({self.me} if scene.can_take and not scene.is_leaving else set())
        )

    def _ours(self, scene: Scene) -> list[Slot]:
        return [
            slot
            for slot, owner in sorted(self.tenure.owners.items())
            if owner.device == self.me and slot in scene.movable
        ]

    def _places(self, scene: Scene) -> dict[Slot, int]:
        return {slot: self.tenure.term(slot) for slot in self._ours(scene)}

    def _standby(self, scene: Scene) -> tuple[Slot, ...]:
        """Return slots of others whose images we should have: we are next in line."""
        if not scene.can_take:
            return ()
        holders = {slot: each.device for slot, each in self.tenure.owners.items()}
        alive = self._candidates(scene)
        asked = (holders, alive, scene.movable, scene.nodes)
        if asked != self._ranked[0]:
            self._ranked = (asked, self._next_in_line(scene, holders, alive))
        return self._ranked[1]

    def _next_in_line(
        self, scene: Scene, holders: Mapping[Slot, str], alive: frozenset[str]
    ) -> tuple[Slot, ...]:
        carried = succession.loads(holders, scene.movable)
        found: list[Slot] = []
        for slot, device in sorted(holders.items()):
            if device == self.me or slot not in scene.movable:
                continue
            ranking = succession.rank(
                scene.movable[slot], alive - {device}, scene.nodes, carried, holders
            )
            if self.me in ranking.order[: succession.STANDBYS]:
                found.append(slot)
        return tuple(found)

    def _claims(self, scene: Scene, waits: Mapping[Slot, str]) -> dict[Slot, Claim]:
        found: dict[Slot, Claim] = {}
        for slot in self._ours(scene):
            own = scene.own.get(slot, Own())
            state: ClaimState = "running" if own.is_running else "starting"
            if not own.is_running and slot in waits:
                if scene.movable[slot].workload.failover != "strict":
                    continue  # we do not know yet whether it is still ours
                if not own.is_prepared:
                    continue
                state = "prepared"
            found[slot] = Claim(
                slot=slot,
                device=self.me,
                term=self.tenure.term(slot),
                version=own.version or scene.movable[slot].version,
                state=state,
                is_healthy=own.is_healthy,
                running_for=own.running_for,
            )
        return found

    def _wake_at(self, scene: Scene, now: float) -> float | None:
        unknown = (p for p in scene.view.peers.values() if p.state == "unknown")
        given_up = (self._given_up_at(each) for each in unknown)
        times = [self.leasing.deadline(now), *(at for at in given_up if at > now)]
        if not self._is_settled:
            times.append(now + HEARD_FOR / 2)
        if self._orphans:
            times.append(now + succession.STEP / 4)
        return min((each for each in times if each is not None), default=None)

    def _tell_brake(
        self, scene: Scene, brake: succession.Brake, is_asked: bool
    ) -> list[Told]:
        is_braked = brake == "held" and is_asked
        if is_braked == self._braked:
            return []
        self._braked = is_braked
        reached, site = scene.view.reached + 1, len(scene.view.peers) + 1
        if not is_braked:
            return [Told(kind="brake", subject="site", text="released")]
        text = f"takes nothing over: only {reached} of {site} devices are reached"
        return [Told(kind="brake", subject="site", text=text)]

    def _tell_homeless(self, scene: Scene, slot: Slot, now: float) -> list[Told]:
        if self._orphans.get(slot) != now:
            return []
        holder = self._name(scene, self.tenure.holder(slot))
        text = f"{holder} is gone and nobody can take it: {self._homeless[slot]}"
        return [Told(kind="homeless", subject=slot, text=text)]

    @staticmethod
    def _runs(scene: Scene, slot: Slot) -> bool:
        own = scene.own.get(slot)
        return own is not None and own.is_running

    @staticmethod
    def _name(scene: Scene, device: str) -> str:
        return name_of(scene.view.peers.get(device), device)


def _gone(scene: Scene, device: str) -> str:
    """Return why a slot needs another holder."""
    peer = scene.view.peers.get(device)
    if peer is None:
        return f"{device} left"
    if peer.state == "alive":
        is_drained_now = is_drained(scene, device)
        return f"{peer.name} {'is drained' if is_drained_now else 'does not claim it'}"
    why = f" ({peer.reason})" if peer.reason else ""
    return f"{peer.name} is {peer.state}{why}"


def _nowhere(ranking: Ranking) -> str:
    if not ranking.reasons:
        return "no device of this site is reached"
    return "; ".join(f"{name}: {why}" for name, why in sorted(ranking.reasons.items()))
