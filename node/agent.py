"""What a device believes and wants, between messages: judged, stored, then acted on.

The agent has no loop, no clock and no Podman: `receive` takes what arrived and writes
what was accepted, `replicas` says what to run, `report` what to tell the hub. Writing
comes before acting; when the disk refuses, what is believed is read from it again.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from msgspec import structs

from edge import documents
from edge.documents import Report
from edge.errors import EdgeError, StoreError
from edge.model import Facts, Held, Neighbour, ReplicaPlace, ReplicaStatus
from edge.names import Slot
from edge.placement import facts_labels
from edge.trust import Accepted, Known, Ledger, Refused
from node import inventory, revisions, share, wanted
from node.device import Device
from node.intake import Intake
from node.journal import Journal
from node.replica import Replica
from node.share import Settled, Share, Standing
from node.staged import Staged
from node.stops import Change, needs_permit
from node.trial import Findings, Look

SCHEMAS = tuple(sorted(documents.SHAPES))


class SiteWord(Protocol):
    """What of `node.site` is asked here."""

    @property
    def settled(self) -> Settled:
        """Return whose the slots that move are."""

    @property
    def waits(self) -> Mapping[str, str]:
        """Return what must not be started yet, and why."""

    @property
    def lapsed(self) -> frozenset[str]:
        """Return what must not run a moment longer."""

    @property
    def standby(self) -> tuple[str, ...]:
        """Return slots of others whose images should be here."""

    def give_up(self, slot: str) -> None:
        """Hear that an operator's word took a slot of ours away."""

    def want(self, wants: Mapping[Slot, int]) -> None:
        """Hear which copies would be stopped now, and for which version."""

    def may_switch(self, slot: Slot, version: int) -> str:
        """Return why a copy must run on for now, "" when it may be stopped."""


@dataclass(slots=True, kw_only=True)
class Agent:
    """One device's beliefs; every change of them is on disk when a method returns."""

    device: Device
    journal: Journal
    facts: Facts
    intake: Intake = field(init=False)
    places: dict[str, ReplicaPlace] = field(default_factory=dict)
    revisions: dict[tuple[str, int], documents.Deployment] = field(default_factory=dict)
    site: SiteWord | None = None
    """What the site decided of slots that move; None before it was heard."""
    accepted: frozenset[str] = frozenset()
    """Slots of the last share before failover had its word."""
    _standing: tuple[int, Facts, Standing] | None = None
    staged: Staged = field(init=False)
    later: dict[str, ReplicaPlace] = field(default_factory=dict)
    """What slots change to when its window opens."""
    held_up: dict[str, ReplicaPlace] = field(default_factory=dict)
    """What slots change to when the neighbours let their copies be stopped."""
    _is_starting: bool = True
    _wanted: tuple[Replica, ...] | None = None
    """What follows from places, revisions, trials and secrets, until they change."""
    _standbys: tuple[tuple[str, ...], tuple[Replica, ...]] | None = None
    has_missed: bool = False
    """Whether something arrived that could not be kept, and must be asked for again."""
    clock_set_by: Callable[[], float] = lambda: 0.0
    """By how many seconds the wall clock was set since this was last asked."""

    def __post_init__(self) -> None:
        """Take up where the disk says we were."""
        self.intake = Intake(ledger=self.device.ledger)
        held = self.device.store.read_places()
        self.places = {place.slot: place for place in held}
        self.staged = Staged(device=self.device, tell=self.tell)
        self.staged.load()
        for name in self.device.store.damaged:
            self.tell("damaged", name, "set aside; the hub sends it again")
        for name in self.device.store.mended:
            self.tell("damaged", name, "mended from its copy")
        self._load_revisions()
        self.decide()
        self._is_starting = False

    @property
    def ledger(self) -> Ledger:
        """Return what is believed."""
        return self.device.ledger

    def tell(self, kind: str, subject: str, text: str) -> None:
        """Write down an event; a full disk must not stop the work."""
        try:
            self.journal.add(kind, subject, text, self.device.clock())
        except StoreError:
            self.intake.refusals["journal: disk full"] += 1

    def receive(self, payload: bytes) -> bool:
        """Take a message; return whether anything new is believed."""
        self.look_at_clock()  # it may be set back before anybody looks again
        received = self.intake.receive(payload, self.device.clock())
        for refused in received.refused:
            self.tell("refused", refused.kind or "message", refused.problem)
        fresh = (*self._lacking(received.ways_back), *received.accepted)
        try:
            self.device.store.keep((*fresh, *received.known), self.ledger)
        except StoreError as error:
            self._forget(error)
            return False
        for accepted in fresh:
            self._tell_accepted(accepted)
        is_news = self.staged.proofs.take(received.evidence, self.ledger.deployments)
        if fresh or received.known or is_news:
            self.decide()
        return bool(fresh) or is_news

    def _lacking(self, ways_back: Iterable[Accepted]) -> list[Accepted]:
        """Return those that this device does not hold.

        Where the newest version is damaged, nobody knows what it goes back to.
        """
        return [
            each
            for each in ways_back
            if isinstance(each.document, documents.Deployment)
            and each.document.stream not in self.device.store.missing
            and (each.document.name, each.document.version) not in self.revisions
        ]

    def decide(self) -> None:
        """Compute the share anew and remember it before anything acts on it.

        What cannot be remembered is not acted on: then the share stays as it was. So
        it does while the operator's word on this device is damaged, until it is back.
        """
        self._load_revisions()
        self._recompute()
        ledger, me = self.ledger, self.device.identity.device
        if ledger.is_hidden(f"node/{me}") and not ledger.is_revoked(me):
            return
        result = share.share(
            self.places,
            ledger.assignment,
            ledger.deployments,
            self._bounds(),
            self.revisions,
        )
        result = self._after_failover(result)
        for refused in result.refused:
            self.intake.count(refused)
            self.tell("refused", "assignment", refused.problem)
        known = (self.places, self.standing(), self.revisions)
        wanted = {**self._unreadable(), **result.places}
        places = self._permitted(self.staged.settle(wanted, *known))
        try:
            self.staged.enter(places, *known)
            self.device.store.write_places(places.values())
        except StoreError as error:
            self._miss(error)
            self._take_up(self.staged.going_back(places, self.places))
            return
        self.later = dict(result.later)
        self._take_up(places)
        with suppress(StoreError):  # what is left over is removed another time
            used = (*self.places.values(), *self.staged.kept(self.places))
            self.device.store.prune(ledger, used)

    def _permitted(self, places: dict[str, ReplicaPlace]) -> dict[str, ReplicaPlace]:
        """Return the places, with copies left that may not be stopped yet.

        A start asks nobody yet: the site does, in its first turn.
        """
        switches = {s: each for s, each in places.items() if self._needs_permit(each)}
        self.held_up = switches if self._is_starting else {}
        if self.site is not None:
            self.held_up = switches  # `standbys` says of these whether they are ready
            self._standbys = None
            self.site.want({Slot(s): each.version for s, each in switches.items()})
            self.held_up = {
                slot: each
                for slot, each in switches.items()
                if self.site.may_switch(Slot(slot), each.version)
            }
        kept = {
            slot: structs.replace(each, version=self.places[slot].version)
            for slot, each in self.held_up.items()
        }
        return {**places, **kept}

    def _needs_permit(self, place: ReplicaPlace) -> bool:
        """Return whether a copy would be stopped that the neighbours count on."""
        held, staged = self.places.get(place.slot), self.staged
        change = Change(
            place=place,
            held=held,
            newest=self.ledger.deployments.get(place.deployment),
            is_bad=held is not None and staged.trials.is_bad(held.slot, held.version),
            starts_first=any(each.starts_first for each in self._replicas((place,))),
            is_beside=place in staged.beside(self.places),
        )
        return needs_permit(change)

    def _take_up(self, places: dict[str, ReplicaPlace]) -> None:
        """Let these be the places from now on."""
        before, self.places = self.places, places
        self._load_revisions()
        self._recompute()
        for slot, place in places.items():
            was = before.get(slot, place).version
            if place.version < was:
                text = f"revision {was} gave way to revision {place.version}"
                self.tell("went back", slot, text)

    def offered(self) -> dict[Slot, int]:
        """Return the slots the hub gave this device within limits, with their terms."""
        assignment = self.ledger.assignment
        given = assignment.replicas if assignment else ()
        return {
            Slot(each.slot): each.term for each in given if each.slot in self.accepted
        }

    def _after_failover(self, result: Share) -> Share:
        """Return the share as the site has settled it."""
        self.accepted = frozenset(result.places)
        if self.site is None:
            return result
        ours = self.site.settled.ours.keys()
        for slot in sorted(ours & self.places.keys() - result.places.keys()):
            self.site.give_up(slot)
        return share.moved(
            result,
            self.places,
            self.ledger.deployments,
            self._bounds(),
            self.revisions,
        )

    def can_catch_up(self) -> bool:
        """Return whether something was missed, and the disk would take it now.

        What had arrived and was not acted on is, then; the rest must be sent again.
        """
        if not self.has_missed or not self.device.store.has_room():
            return False
        self.has_missed = False
        self.decide()
        return not self.has_missed

    def look_at_clock(self) -> None:
        """Notice that the wall clock was set: what it made us refuse may be right."""
        if seconds := self.clock_set_by():
            text = f"the clock was set by {seconds:.0f} s"
            self.tell("clock", self.device.name, text)
            self.has_missed = True

    def standing(self) -> Standing:
        """Return what operators said of this device, and its own facts as labels.

        What the site has settled is not in it.
        """
        kept, ledger = self._standing, self.ledger
        if kept is None or (kept[0], kept[1]) != (ledger.revision, self.facts):
            kept = (ledger.revision, self.facts, self._look_up())
            self._standing = kept
        return kept[2]

    def _bounds(self) -> Standing:
        """Return what this device's share is bound by."""
        settled = self.site.settled if self.site else Settled()
        staging = self.staged.staging()
        return replace(self.standing(), settled=settled, staging=staging)

    def _look_up(self) -> Standing:
        ledger, device = self.ledger, self.device.identity.device
        node = ledger.nodes.get(device)
        member = ledger.members[device].member
        voucher = ledger.vouchers.get(member.voucher)
        labels = node.labels if node else (voucher.labels if voucher else {})
        site = node.site if node else (voucher.site if voucher else "")
        return Standing(
            name=member.name,
            site=site,
            labels={**labels, **facts_labels(self.facts)},
            scheduling=node.scheduling if node else "active",
            is_ready=node is not None or not (voucher and voucher.approve),
            is_revoked=ledger.is_revoked(device),
        )

    def version(self, slot: str) -> int:
        """Return the version that runs in a slot of ours, 0 for none."""
        place = self.places.get(slot)
        return place.version if place else 0

    def replicas(self) -> tuple[Replica, ...]:
        """Return what this device should run now."""
        if self._wanted is None:
            self._wanted = self._replicas(self.places.values())
        if self.site is None:
            return self._wanted
        return wanted.held_back(self._wanted, self.site.waits, self.site.lapsed)

    def older(self) -> tuple[Replica, ...]:
        """Return what runs on beside a newer version of its slot."""
        places = self.staged.older(self.places, self.standing(), self.revisions)
        found = wanted.elders(self._replicas(places))
        if self.site is None:
            return found
        return wanted.held_back(found, self.site.waits, self.site.lapsed)

    def replica(self, slot: str) -> Replica | None:
        """Return what belongs into a slot of ours, whether it may start yet or not."""
        place = self.places.get(slot)
        return next(iter(self._replicas((place,) if place else ())), None)

    def standbys(self) -> tuple[Replica, ...]:
        """Return what may have to run here: what neighbours do, what waits for later.

        Each in the version that would run here.
        """
        slots = self.site.standby if self.site else ()
        if self._standbys is None or slots != self._standbys[0]:
            waiting = (*self.later.values(), *self.held_up.values())
            places = (*waiting, *self._taken_over(slots))
            self._standbys = (slots, self._replicas(places))
        return self._standbys[1]

    def _taken_over(self, slots: Iterable[str]) -> tuple[ReplicaPlace, ...]:
        deployments, bounds = self.ledger.deployments, self._bounds()
        return share.taken_over(slots, deployments, bounds, self.revisions)

    def _replicas(self, places: Iterable[ReplicaPlace]) -> tuple[Replica, ...]:
        proved = self.staged.trials.book.proved
        return wanted.replicas(places, self.revisions, self.sealed(), proved)

    def watch(self, looks: Iterable[Look], now: float) -> Findings:
        """Take in how slots on trial are doing, ``now`` by CLOCK_BOOTTIME."""
        found = self.staged.look(looks, now)
        if found.proved:
            self._recompute()
        return found

    def condemn(self, slot: str, reason: str, log: str, version: int = 0) -> None:
        """Give up a version on trial, 0 for whichever is, and go back if it can be."""
        if self.staged.condemn(slot, reason, log, version) is not None:
            self.decide()

    def change_in_time(self) -> bool:
        """Make the changes whose window has opened; return whether there were any."""
        if not self.later or not self.staged.is_due(self.later, self.device.name):
            return False
        self.decide()
        return True

    def _recompute(self) -> None:
        """Forget what was computed from places, revisions, trials and secrets."""
        self._wanted, self._standbys = None, None

    def untouchable(self) -> frozenset[str]:
        """Return slots whose signed revision was lost: their containers are let be."""
        lost = {
            slot
            for slot, place in self.places.items()
            if (place.deployment, place.version) not in self.revisions
        }
        return frozenset(lost)

    def _unreadable(self) -> dict[str, ReplicaPlace]:
        """Return what runs of deployments whose newest file is damaged: not ended.

        Its container is `untouchable` until the hub sent the document again.
        """
        ledger, missing = self.ledger, self.device.store.missing
        if ledger.is_revoked(self.device.identity.device):
            return {}
        return {
            slot: place
            for slot, place in self.places.items()
            if place.deployment not in ledger.deployments
            and f"deployment/{place.deployment}" in missing
        }

    def sealed(self) -> Mapping[str, int]:
        """Return the secrets held for this device, by full name."""
        me = self.device.identity.device
        return {
            name: recipients[me]
            for name, recipients in self.ledger.secrets.items()
            if me in recipients
        }

    def open_secrets(self, replica: Replica) -> dict[str, bytes]:
        """Return the plain values of a replica's secrets by short name.

        Raises `TrustError` when a box is not what its outside says.
        """
        deployment = replica.deployment
        return {
            short: self.device.open_secret(f"{deployment}/{short}")
            for short in sorted(replica.workload.secrets)
        }

    def report(
        self,
        *,
        counter: tuple[int, int],
        instance: str,
        address: str,
        replicas: Iterable[ReplicaStatus],
        neighbours: Iterable[Neighbour] = (),
    ) -> Report:
        """Return this device's word about itself; ``counter`` is (boot, seq)."""
        boot, seq = counter
        return Report(
            fleet=self.ledger.fleet,
            node=self.device.name,
            device=self.device.identity.device,
            boot=boot,
            seq=seq,
            instance=instance,
            address=address,
            facts=self.facts,
            replicas=tuple(replicas),
            held=self.held(),
            schemas=SCHEMAS,
            neighbours=tuple(neighbours),
            failures=self.staged.trials.failures(),
        )

    def held(self) -> tuple[Held, ...]:
        """Return the newest of every stream whose document is on this disk."""
        return inventory.held(self.ledger, self.device.store.missing)

    def _load_revisions(self) -> None:
        """Have the newest revisions at hand, what runs, and what to go back to."""
        places = (*self.places.values(), *self.staged.kept(self.places))
        used = [(each.deployment, each.version) for each in places]
        newest, read = self.ledger.deployments, self._read_revision
        self.revisions = revisions.at_hand(newest, used, self.revisions, read)

    def _read_revision(self, name: str, version: int) -> documents.Deployment | None:
        try:
            return self.device.store.deployment(name, version)
        except EdgeError:
            return None

    def _tell_accepted(self, accepted: Accepted | Known) -> None:
        kind = documents.kind_of(type(accepted.document))
        is_own = inventory.is_own(accepted.document.stream, self.ledger)
        if kind != "beacon" and is_own:
            number = ".".join(str(each) for each in accepted.document.counter)
            self.tell("accepted", accepted.document.stream, f"{kind} {number}")

    def _forget(self, error: StoreError) -> None:
        """The disk refused: believe only what it holds."""
        self._miss(error)
        fresh = Ledger(
            fleet=self.ledger.fleet, anchor=self.ledger.anchor, me=self.ledger.me
        )
        self.device.store.load(fresh)
        self.ledger.take_over(fresh)
        self._recompute()

    def _miss(self, error: StoreError) -> None:
        refused = Refused(reason="not-stored", problem=str(error), kind="store")
        self.intake.count(refused)
        self.tell("failed", "store", str(error))
        self.has_missed = True
