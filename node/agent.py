"""What a device believes and wants, between messages: judged, stored, then acted on.

The agent has no loop, no clock and no Podman: `receive` takes what arrived and writes
what was accepted, `replicas` says what to run, `report` what to tell the hub. Writing
comes before acting; when the disk refuses, what is believed is read from it again.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from edge import documents, trust
from edge.documents import Report, Secret
from edge.errors import EdgeError, StoreError, TrustError
from edge.model import Facts, Held, ReplicaPlace, ReplicaStatus
from edge.placement import facts_labels
from edge.trust import Accepted, Known, Ledger, Refused
from node import share, wanted
from node.device import Device
from node.intake import Intake
from node.journal import Journal
from node.replica import Replica
from node.share import Standing

SCHEMAS = tuple(sorted(documents.SHAPES))


@dataclass(slots=True, kw_only=True)
class Agent:
    """One device's beliefs; every change of them is on disk when a method returns."""

    device: Device
    journal: Journal
    facts: Facts
    intake: Intake = field(init=False)
    places: dict[str, ReplicaPlace] = field(default_factory=dict)
    revisions: dict[tuple[str, int], documents.Deployment] = field(default_factory=dict)
    has_missed: bool = False
    """Whether something arrived that could not be kept, and must be asked for again."""

    def __post_init__(self) -> None:
        """Take up where the disk says we were."""
        self.intake = Intake(ledger=self.device.ledger)
        held = self.device.store.read_places()
        self.places = {place.slot: place for place in held}
        for name in self.device.store.damaged:
            self.tell("damaged", name, "set aside; the hub sends it again")
        for name in self.device.store.mended:
            self.tell("damaged", name, "mended from its copy")
        self._load_revisions()
        self.decide()

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
        received = self.intake.receive(payload, self.device.clock())
        for refused in received.refused:
            self.tell("refused", refused.kind or "message", refused.problem)
        try:
            self.device.store.keep((*received.accepted, *received.known), self.ledger)
        except StoreError as error:
            self._forget(error)
            return False
        for accepted in received.accepted:
            self._tell_accepted(accepted)
        if received.accepted or received.known:
            self.decide()
        return bool(received.accepted)

    def decide(self) -> None:
        """Compute the share anew and remember it before anything acts on it.

        What cannot be remembered is not acted on: then the share stays as it was. So
        it does while the operator's word on this device is damaged, until it is back.
        """
        ledger, me = self.ledger, self.device.identity.device
        if ledger.is_hidden(f"node/{me}") and not ledger.is_revoked(me):
            self._load_revisions()
            return
        result = share.share(
            self.places,
            ledger.assignment,
            ledger.deployments,
            self.standing(),
            self.revisions,
        )
        for refused in result.refused:
            self.intake.count(refused)
            self.tell("refused", "assignment", refused.problem)
        places = {**self._unreadable(), **result.places}
        try:
            self.device.store.write_places(places.values())
        except StoreError as error:
            self._miss(error)
            return
        self.places = places
        self._load_revisions()
        with suppress(StoreError):  # what is left over is removed another time
            self.device.store.prune(ledger, self.places.values())

    def can_catch_up(self) -> bool:
        """Return whether something was missed, and the disk would take it now.

        What had arrived and was not acted on is, then; the rest must be sent again.
        """
        if not self.has_missed or not self.device.store.has_room():
            return False
        self.has_missed = False
        self.decide()
        return not self.has_missed

    def standing(self) -> Standing:
        """Return what operators said of this device, and its own facts as labels."""
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

    def replicas(self) -> tuple[Replica, ...]:
        """Return what this device should run now."""
        return wanted.replicas(self.places.values(), self.revisions, self.sealed())

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
            short: self._open(f"{deployment}/{short}")
            for short in sorted(replica.workload.secrets)
        }

    def report(
        self,
        *,
        counter: tuple[int, int],
        instance: str,
        address: str,
        replicas: Iterable[ReplicaStatus],
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
        )

    def held(self) -> tuple[Held, ...]:
        """Return the newest of every stream whose document is on this disk."""
        heads = sorted(self.ledger.heads.items())
        missing = self.device.store.missing
        return tuple(
            Held(stream=stream, version=head.counter[-1], digest=head.digest)
            for stream, head in heads
            if head.digest and stream not in missing
        )

    def _open(self, name: str) -> bytes:
        me = self.device.identity
        stream = f"secret/{name}/{me.device}"
        document = self.device.store.document(stream)
        if not isinstance(document, Secret):
            problem = f"cannot open secret {name}: its file is not on this disk"
            raise TrustError("not-sealed-to-us", problem)
        return trust.open_secret(document, me.seal, self.ledger)

    def _load_revisions(self) -> None:
        newest = {
            (name, each.version): each for name, each in self.ledger.deployments.items()
        }
        for place in self.places.values():
            key = (place.deployment, place.version)
            if key not in newest:
                old = self.revisions.get(key) or self._read_revision(*key)
                if old is not None:
                    newest[key] = old
        self.revisions = newest

    def _read_revision(self, name: str, version: int) -> documents.Deployment | None:
        try:
            return self.device.store.deployment(name, version)
        except EdgeError:
            return None

    def _tell_accepted(self, accepted: Accepted | Known) -> None:
        kind = documents.kind_of(type(accepted.document))
        if kind != "beacon":
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

    def _miss(self, error: StoreError) -> None:
        refused = Refused(reason="not-stored", problem=str(error), kind="store")
        self.intake.count(refused)
        self.tell("failed", "store", str(error))
        self.has_missed = True
