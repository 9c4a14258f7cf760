"""Build fleets of documents for tests: keys from names, shapes with sane defaults.

Everything follows from names (`signing_key("root")` is the same key in every run), so
a failing test prints the same bytes twice. A shape is made by a function named like it
(`deployment("web")`), changed by keyword, and signed by `signed` with whoever signs
such a thing. `ledger_of` judges envelopes the way every party does.
"""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from edge import documents, envelope, model, sealing, trust
from edge.documents import (
    Assignment,
    Beacon,
    CertificateRequest,
    Control,
    Deployment,
    Document,
    KeySet,
    Member,
    Node,
    Operator,
    Plan,
    PlanSlot,
    Report,
    Revocation,
    Secret,
    SecretValue,
    SiteMember,
    Tombstone,
    Trust,
    Voters,
    Voucher,
)
from edge.sealing import OpeningKey, SigningKey
from edge.staging.shapes import Rollout, Wave
from edge.trust.devices import device_id
from edge.trust.ledger import fingerprint

FLEET = "shop"
NOW = 1_800_000_000.0  # January 2027; nothing in a test asks the real clock
DAY = 86_400.0
IMAGE_ID = "sha256:" + "1" * 64
MANIFEST = "sha256:" + "2" * 64
INDEX = "sha256:" + "3" * 64

Shape = TypeVar("Shape", bound=msgspec.Struct)


def seed(name: str) -> bytes:
    """Return the 32 bytes that belong to a name, the same in every run."""
    return hashlib.sha256(b"tutti test " + name.encode()).digest()


@functools.cache
def signing_key(name: str) -> SigningKey:
    """Return the Ed25519 key of a name."""
    return SigningKey(seed(f"sign {name}"))


@functools.cache
def opening_key(name: str) -> OpeningKey:
    """Return the X25519 key of a name."""
    return OpeningKey(seed(f"open {name}"))


ROOT = signing_key("root")
OPERATOR = signing_key("operator")
OPERATOR_SEAL = opening_key("operator")
HUB = signing_key("hub")
STRANGER = signing_key("stranger")
JOIN = signing_key("join v1")


@dataclass(frozen=True, slots=True)
class Device:
    """A device with all its private keys, and the name it carries."""

    name: str

    @property
    def sign(self) -> SigningKey:
        return signing_key(f"device {self.name}")

    @property
    def seal(self) -> OpeningKey:
        return opening_key(f"device {self.name}")

    @property
    def tls(self) -> SigningKey:
        """Its seed is what `edge.tls.device_context` takes."""
        return signing_key(f"tls {self.name}")

    @property
    def mesh(self) -> bytes:
        """Its private X25519 mesh key, as `node.identity` keeps it."""
        return signing_key(f"mesh {self.name}").seed

    @property
    def id(self) -> str:
        return device_id(self.sign.public)

    @property
    def keys(self) -> documents.DeviceKeys:
        return documents.DeviceKeys(
            sign=self.sign.public,
            seal=self.seal.public,
            mesh=sealing.exchange_public(self.mesh),
            wireguard=opening_key(f"wireguard {self.name}").public,
            tls=self.tls.public,
        )


def _changed(document: Shape, changes: dict[str, Any]) -> Shape:
    return msgspec.structs.replace(document, **changes)


def operator(name: str = "operator", **changes: Any) -> Operator:
    """Return an operator whose keys come from the name ("operator" is `OPERATOR`)."""
    made = Operator(
        name=name,
        key=signing_key(name).public,
        seal=opening_key(name).public,
        expires_at=NOW + 365 * DAY,
    )
    return _changed(made, changes)


def hub_site(**changes: Any) -> documents.HubSite:
    """Return the hub as a trust document names it."""
    made = documents.HubSite(
        key=HUB.public,
        url="https://127.0.0.1:8443",
        broker="mqtts://127.0.0.1:8883",
    )
    return _changed(made, changes)


def trusted(version: int = 1, **changes: Any) -> Trust:
    """Return a trust document: `ROOT`, one unscoped operator, one adopted hub."""
    made = Trust(
        fleet=FLEET,
        version=version,
        issued_at=NOW,
        root=KeySet(keys=(ROOT.public,)),
        operators=(operator(),),
        hubs=(hub_site(),),
    )
    return _changed(made, changes)


def image(**changes: Any) -> model.Image:
    """Return an image pinned to digests, for amd64 and arm64."""
    made = model.Image(
        reference="registry.example:5000/web",
        digest=INDEX,
        platforms=tuple(
            model.PlatformImage(architecture=each, manifest=MANIFEST, image_id=IMAGE_ID)
            for each in ("amd64", "arm64")
        ),
        tag="1",
    )
    return _changed(made, changes)


def workload(name: str = "web", **changes: Any) -> model.Workload:
    """Return a workload of one replica; ``every`` replaces ``replicas``."""
    made = model.Workload(
        name=name, image=image(), replicas=0 if "every" in changes else 1
    )
    return _changed(made, changes)


def deployment(name: str = "web", version: int = 1, **changes: Any) -> Deployment:
    """Return a deployment with one workload of its own name."""
    made = Deployment(
        fleet=FLEET,
        name=name,
        version=version,
        issued_at=NOW,
        workloads=(workload(name),),
    )
    return _changed(made, changes)


def tombstone(name: str = "web", version: int = 2, **changes: Any) -> Tombstone:
    """Return the end of a deployment."""
    made = Tombstone(fleet=FLEET, name=name, version=version, issued_at=NOW)
    return _changed(made, changes)


def voucher(identity: str = "v1", **changes: Any) -> Voucher:
    """Return a voucher for 100 devices at site ``home``, open for a day around NOW.

    Its join key is `signing_key("join " + id)`; "v1" has `JOIN`.
    """
    made = Voucher(
        fleet=FLEET,
        id=identity,
        key=signing_key(f"join {identity}").public,
        site="home",
        uses=100,
        opens_at=NOW - DAY,
        closes_at=NOW + DAY,
        issued_at=NOW,
    )
    return _changed(made, changes)


def member(device: Device, version: int = 1, **changes: Any) -> Member:
    """Return what a device says of itself, by voucher ``v1``."""
    made = Member(
        fleet=FLEET,
        device=device.id,
        name=device.name,
        version=version,
        voucher="v1",
        keys=device.keys,
    )
    return _changed(made, changes)


def node(device: Device, version: int = 1, **changes: Any) -> Node:
    """Return the operator's approval of the device's first member document."""
    made = Node(
        fleet=FLEET,
        name=device.name,
        device=device.id,
        version=version,
        member=digest(member(device)),
        site="home",
        issued_at=NOW,
    )
    return _changed(made, changes)


def revocation(version: int = 1, **changes: Any) -> Revocation:
    """Return a revocation of nobody yet."""
    return _changed(Revocation(fleet=FLEET, version=version, issued_at=NOW), changes)


def secret(
    name: str, device: Device, value: bytes = b"hunter2", version: int = 1
) -> Secret:
    """Return a secret sealed to a device, signed inside by `OPERATOR`."""
    inside = SecretValue(
        fleet=FLEET,
        name=name,
        version=version,
        recipient=device.id,
        value=sealing.to_text(value),
    )
    box = sealing.seal(device.seal.public, documents.sign(inside, OPERATOR))
    return Secret(
        fleet=FLEET,
        name=name,
        version=version,
        recipient=device.id,
        box=sealing.to_text(box),
        issued_at=NOW,
    )


def place(slot: str, version: int = 1, **changes: Any) -> model.ReplicaPlace:
    """Return an assigned replica; deployment and workload follow from the slot."""
    owner, _, rest = slot.partition("/")
    made = model.ReplicaPlace(
        slot=slot,
        deployment=owner,
        workload=rest.partition("@")[0].partition(".")[0],
        version=version,
    )
    return _changed(made, changes)


def status(slot: str, version: int = 1, **changes: Any) -> model.ReplicaStatus:
    """Return a replica as its node sees it: running and healthy."""
    place_of = place(slot, version)
    made = model.ReplicaStatus(
        slot=slot,
        deployment=place_of.deployment,
        workload=place_of.workload,
        version=version,
        state="running",
        healthy=True,
        since=NOW,
    )
    return _changed(made, changes)


def assignment(device: Device, seq: int = 1, **changes: Any) -> Assignment:
    """Return the hub's word to a device; no replicas by default."""
    made = Assignment(
        fleet=FLEET, node=device.name, device=device.id, generation=1, term=1, seq=seq
    )
    return _changed(made, changes)


def beacon(seq: int = 1, **changes: Any) -> Beacon:
    """Return the hub's word that what it published is fresh."""
    made = Beacon(fleet=FLEET, generation=1, term=1, seq=seq, at=NOW)
    return _changed(made, changes)


def control(name: str = "web", version: int = 1, **changes: Any) -> Control:
    """Return the operator's word on a rollout: pause it, by default."""
    made = Control(
        fleet=FLEET,
        name=name,
        version=version,
        target=1,
        action="pause",
        issued_at=NOW,
    )
    return _changed(made, changes)


def rollout(**changes: Any) -> Rollout:
    """Return a canary: n1 first, then everybody."""
    made = Rollout(strategy="canary", waves=(Wave(nodes=("n1",)), Wave(share=10_000)))
    return _changed(made, changes)


def voters(*devices: Device, version: int = 1, **changes: Any) -> Voters:
    """Return the voters of site ``home``."""
    made = Voters(
        fleet=FLEET,
        site="home",
        version=version,
        voters=tuple(each.id for each in devices),
        issued_at=NOW,
    )
    return _changed(made, changes)


def site_member(device: Device, **changes: Any) -> SiteMember:
    """Return a device as a plan names it."""
    made = SiteMember(name=device.name, device=device.id, facts=facts(disk=0))
    return _changed(made, changes)


def plan_slot(slot: str, device: Device, **changes: Any) -> PlanSlot:
    """Return a movable slot and who holds it."""
    made = PlanSlot(slot=slot, node=device.name, device=device.id, version=1, term=1)
    return _changed(made, changes)


def plan(*devices: Device, seq: int = 1, **changes: Any) -> Plan:
    """Return the hub's word to site ``home``; without slots by default."""
    members = tuple(site_member(each) for each in devices)
    made = Plan(
        fleet=FLEET, site="home", generation=1, term=1, seq=seq, members=members
    )
    return _changed(made, changes)


def facts(**changes: Any) -> model.Facts:
    """Return what a small board says of itself."""
    made = model.Facts(
        architecture="amd64", memory=1024 * model.MIB, cpus=4, disk=8192 * model.MIB
    )
    return _changed(made, changes)


def report(device: Device, seq: int = 1, **changes: Any) -> Report:
    """Return what a device says of itself in its first boot."""
    made = Report(
        fleet=FLEET,
        node=device.name,
        device=device.id,
        boot=1,
        seq=seq,
        instance="i-1",
        facts=facts(),
    )
    return _changed(made, changes)


def certificate_request(device: Device, serial: int = 1) -> CertificateRequest:
    """Return a device's request to certify its TLS key again."""
    return CertificateRequest(
        fleet=FLEET, subject=device.name, key=device.tls.public, serial=serial
    )


def digest(document: Document) -> str:
    """Return the digest other documents refer to this one by."""
    kind = documents.payload_type(type(document))
    return envelope.digest(kind, documents.encode(document))


def signed(document: Document, *keys: SigningKey) -> bytes:
    """Return the envelope, signed by ``keys`` or by whoever signs such a document.

    A `Member`, `Report` or `CertificateRequest` is signed by the device of that name.
    """
    return documents.sign(document, *(keys or _signers(document)))


def _signers(document: Document) -> tuple[SigningKey, ...]:
    match document:
        case Trust():
            return (ROOT,)
        case Member():
            join = signing_key(f"join {document.voucher}")
            return (join, Device(document.name).sign)
        case Report():
            return (Device(document.node).sign,)
        case CertificateRequest():
            return (Device(document.subject).sign,)
        case Assignment() | Beacon() | Plan():
            return (HUB,)
        case _:
            return (OPERATOR,)


def enrolled(*devices: Device) -> tuple[bytes, ...]:
    """Return the envelopes of trust, voucher ``v1`` and the devices' members."""
    members = (signed(member(each)) for each in devices)
    return (signed(trusted()), signed(voucher()), *members)


def empty_ledger(**changes: Any) -> trust.Ledger:
    """Return a ledger anchored to `ROOT` that holds nothing; the hub's by default."""
    fields: dict[str, Any] = {
        "fleet": FLEET,
        "anchor": fingerprint(KeySet(keys=(ROOT.public,))),
        "counts_uses": True,
    }
    return trust.Ledger(**{**fields, **changes})


def ledger_of(envelopes: Iterable[bytes], **changes: Any) -> trust.Ledger:
    """Return a ledger that accepted every envelope, in order; a refusal fails."""
    ledger = empty_ledger(**changes)
    for each in envelopes:
        verdict = trust.judge(each, ledger, NOW)
        assert not isinstance(verdict, trust.Refused), verdict
        if isinstance(verdict, trust.Accepted):
            ledger.record(verdict)
    return ledger


def opened(data: bytes) -> tuple[Document, str]:
    """Return the document in an envelope and its digest, without judging it."""
    sealed = envelope.decode(data)
    return documents.parse(sealed.payload_type, sealed.body), sealed.digest


def port(host: int, container: int = 80, **changes: Any) -> model.Port:
    """Return a published port."""
    return _changed(model.Port(host=host, container=container), changes)
