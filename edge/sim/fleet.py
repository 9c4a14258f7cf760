"""A fleet's signed documents, made from names: who is who, and what may run.

Keys follow from names, so two runs of a seed sign the same bytes. Everything else in
the simulator judges these documents as it would judge an operator's.
"""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge import documents, envelope, model, sealing
from edge.documents import (
    Deployment,
    DeviceKeys,
    Document,
    KeySet,
    Member,
    Node,
    Operator,
    Secret,
    SecretValue,
    Trust,
    Voters,
    Voucher,
)
from edge.sealing import OpeningKey, SigningKey
from edge.trust.devices import device_id
from edge.trust.ledger import fingerprint

FLEET = "simulated"
EPOCH = 1_800_000_000.0
"""The world's wall clock when time begins: January 2027."""
YEAR = 365 * 86_400.0
PORT = 7946
"""The mesh's UDP port in here; any number would do."""


@functools.cache
def signing(name: str) -> SigningKey:
    """Return the Ed25519 key of a name."""
    return SigningKey(_seed(f"sign {name}"))


@functools.cache
def opening(name: str) -> OpeningKey:
    """Return the X25519 key of a name."""
    return OpeningKey(_seed(f"open {name}"))


@functools.cache
def _seed(name: str) -> bytes:
    return hashlib.sha256(b"tutti simulator " + name.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One device before anything happened to it."""

    name: str
    site: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    memory: int = 2048 * model.MIB
    cpus: int = 4

    @property
    def sign(self) -> SigningKey:
        """Return the key it signs with."""
        return signing(self.name)

    @property
    def seal(self) -> OpeningKey:
        """Return the key its secrets are sealed to."""
        return opening(self.name)

    @property
    def id(self) -> str:
        """Return its device id."""
        return _device(self.name)

    @property
    def keys(self) -> DeviceKeys:
        """Return its public keys."""
        return _keys(self.name)

    @property
    def facts(self) -> model.Facts:
        """Return what it says of itself."""
        return model.Facts(
            architecture="amd64",
            memory=self.memory,
            cpus=self.cpus,
            disk=16 * 1024 * model.MIB,
        )


@functools.cache
def _device(name: str) -> str:
    return device_id(signing(name).public)


@functools.cache
def _keys(name: str) -> DeviceKeys:
    return DeviceKeys(
        sign=signing(name).public,
        seal=opening(name).public,
        mesh=opening(f"mesh {name}").public,
        wireguard=opening(f"wireguard {name}").public,
        tls=signing(f"tls {name}").public,
    )


@functools.cache
def anchor() -> str:
    """Return the fingerprint of the fleet's root."""
    return fingerprint(KeySet(keys=(signing("root").public,)))


def machines(
    sites: Mapping[str, int], labels: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[Machine, ...]:
    """Return the devices of all sites: n1, n2, … through all of them."""
    found: list[Machine] = []
    for row, (site, count) in enumerate(sites.items()):
        for each in range(count):
            name = f"n{len(found) + 1}"
            address = f"10.{row}.0.{each + 10}"
            worn = (labels or {}).get(name, {})
            machine = Machine(name=name, site=site, address=address, labels=worn)
            found.append(machine)
    return tuple(found)


@functools.cache
def trust() -> bytes:
    """Return root's word: one operator, one hub."""
    hub = documents.HubSite(
        key=signing("hub").public,
        url="https://hub.example:8443",
        broker="mqtts://hub.example:8883",
    )
    operator = Operator(
        name="operator",
        key=signing("operator").public,
        seal=opening("operator").public,
        expires_at=EPOCH + YEAR,
    )
    document = Trust(
        fleet=FLEET,
        version=1,
        issued_at=EPOCH,
        root=KeySet(keys=(signing("root").public,)),
        operators=(operator,),
        hubs=(hub,),
    )
    return documents.sign(document, signing("root"))


@functools.cache
def voucher(site: str) -> bytes:
    """Return what lets a site's devices in."""
    document = Voucher(
        fleet=FLEET,
        id=f"v-{site}",
        key=signing(f"join {site}").public,
        site=site,
        uses=1000,
        opens_at=EPOCH - YEAR,
        closes_at=EPOCH + YEAR,
        issued_at=EPOCH,
    )
    return by_operator(document)


@functools.cache
def member(name: str, site: str) -> tuple[Member, bytes]:
    """Return a device's word on who it is."""
    document = Member(
        fleet=FLEET,
        device=_device(name),
        name=name,
        version=1,
        voucher=f"v-{site}",
        keys=_keys(name),
    )
    data = documents.sign(document, signing(f"join {site}"), signing(name))
    return document, data


def node(machine: Machine, version: int = 1, scheduling: str = "active") -> bytes:
    """Return the operator's word on a device."""
    labels = tuple(sorted(machine.labels.items()))
    return _node(machine.name, machine.site, labels, version, scheduling)


@functools.cache
def _node(
    name: str,
    site: str,
    labels: tuple[tuple[str, str], ...],
    version: int,
    scheduling: documents.Scheduling,
) -> bytes:
    document = Node(
        fleet=FLEET,
        name=name,
        device=_device(name),
        version=version,
        member=_digest(member(name, site)[0]),
        site=site,
        issued_at=EPOCH,
        labels=dict(labels),
        scheduling=scheduling,
    )
    return by_operator(document)


def voters(site: str, names: Iterable[str], version: int = 1) -> bytes:
    """Return the operator's word on whose grants make a lease."""
    return _voters(site, tuple(sorted(names)), version)


@functools.cache
def _voters(site: str, names: tuple[str, ...], version: int) -> bytes:
    document = Voters(
        fleet=FLEET,
        site=site,
        version=version,
        voters=tuple(sorted(_device(each) for each in names)),
        issued_at=EPOCH,
    )
    return by_operator(document)


def deployment(
    name: str, workloads: tuple[model.Workload, ...], version: int = 1
) -> tuple[Deployment, bytes]:
    """Return what may run."""
    document = Deployment(
        fleet=FLEET, name=name, version=version, issued_at=EPOCH, workloads=workloads
    )
    return document, by_operator(document)


@functools.cache
def secret(name: str, device: str) -> bytes:
    """Return an invented value sealed to a device, by the names of both."""
    value = SecretValue(
        fleet=FLEET,
        name=name,
        version=1,
        recipient=_device(device),
        value=sealing.to_text(b"invented"),
    )
    inside = documents.sign(value, signing("operator"))
    box = sealing.to_text(sealing.seal(opening(device).public, inside))
    document = Secret(
        fleet=FLEET,
        name=name,
        version=1,
        recipient=_device(device),
        box=box,
        issued_at=EPOCH,
    )
    return by_operator(document)


def image(reference: str) -> model.Image:
    """Return an image nobody built, for the two common architectures."""
    name, _, tag = reference.rpartition(":")
    digest = f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"
    platforms = tuple(
        model.PlatformImage(architecture=each, manifest=digest, image_id=digest)
        for each in ("amd64", "arm64")
    )
    return model.Image(
        reference=name or reference, digest=digest, platforms=platforms, tag=tag
    )


def by_operator(document: Document) -> bytes:
    """Return a document with the operator's signature."""
    return documents.sign(document, signing("operator"))


def _digest(document: Document) -> str:
    kind = documents.payload_type(type(document))
    return envelope.digest(kind, documents.encode(document))
