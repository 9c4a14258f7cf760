"""A fleet with a history, and what its enemy got hold of.

The enemy owns the broker and the hub with its key, the key of the hub before it, the
key of an operator whom root removed, of a scoped one that expired, and of a scoped one
that is still good; two stolen devices with all their keys (one revoked, one not missed
yet) and a leaked join seed (its token is closed). He has every document there ever was.

`Fleet` is what the operator knows to be true. It is made before the enemy moves and
looked up by bytes, not by the code under test.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field

from edge import documents, sealing
from edge.documents import Deployment, Document, Node, Scope, Secret, SecretValue
from edge.sealing import SigningKey
from tests.support import builders as a

NOW = a.NOW
VICTIM, STOLEN, THIRD, FAR = (a.Device(name) for name in ("n1", "n2", "n3", "n7"))
VICTIM_ID, STOLEN_ID = VICTIM.id, STOLEN.id
THIRD_ID, FAR_ID = THIRD.id, FAR.id
REMOVED, EXPIRED, SEVEN = (a.signing_key(n) for n in ("removed", "expired", "seven"))
OLD_HUB, NEW_HUB = a.signing_key("old hub"), a.signing_key("new hub")
LEAKED = a.signing_key("join leaked")
OPERATOR = f"operator:{a.OPERATOR.public}"
LIMITS = Scope(name="seven", sites=("store-7",))
GENERATION = 2
STANDING_KEYS: dict[str, SigningKey] = {
    "hub": a.HUB,
    "old hub": OLD_HUB,
    "removed operator": REMOVED,
    "expired operator": EXPIRED,
    "scoped operator": SEVEN,
    "stolen device": STOLEN.sign,
    "device not missed yet": THIRD.sign,
    "leaked seed": LEAKED,
    "stranger": a.STRANGER,
}
"""Everything the enemy can sign with."""


def digest(data: bytes) -> str:
    """Return the digest of an envelope's document, by DSSE's own protocol.md."""
    parts = json.loads(data)
    kind, text = parts["payloadType"].encode(), parts["payload"]
    body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    return "sha256:" + hashlib.sha256(signed).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Every word of the operator, in the order it was said."""

    said: dict[str, tuple[Document, bytes]] = field(default_factory=dict)
    """Digest → document and envelope."""
    values: dict[tuple[str, int, str], bytes] = field(default_factory=dict)
    """(secret, version, recipient) → value."""

    def say(self, document: Document, *keys: SigningKey) -> bytes:
        """Sign a document, and hold it true from now on."""
        data = a.signed(document, *keys)
        self.said[digest(data)] = (document, data)
        return data

    def tell(self, name: str, version: int, recipients: dict[str, str]) -> None:
        """Seal a secret's version for recipients (id → sealing key)."""
        value = f"{name} {version}".encode()
        for recipient, key in recipients.items():
            inside = SecretValue(
                fleet=a.FLEET,
                name=name,
                version=version,
                recipient=recipient,
                value=sealing.to_text(value),
            )
            box = sealing.seal(key, documents.sign(inside, a.OPERATOR))
            self.say(
                Secret(
                    fleet=a.FLEET,
                    name=name,
                    version=version,
                    recipient=recipient,
                    box=sealing.to_text(box),
                    issued_at=NOW,
                )
            )
            self.values[name, version, recipient] = value

    def envelopes(self, *streams: str) -> list[bytes]:
        """Return what was said in streams that begin so, in order."""
        return [
            data
            for document, data in self.said.values()
            if document.stream.startswith(streams)
        ]

    def deployment(self, name: str, version: int) -> Deployment | None:
        """Return a revision the operator signed."""
        for document, _ in self.said.values():
            if isinstance(document, Deployment) and (name, version) == (
                document.name,
                document.version,
            ):
                return document
        return None


def trusted(version: int):
    """Return root's words: the second removes an operator and exchanges the hub."""
    both = (
        a.operator(),
        a.operator("expired", expires_at=NOW - a.DAY, scope=LIMITS),
        a.operator("seven", expires_at=NOW + 90 * a.DAY, scope=LIMITS),
    )
    if version == 1:
        first = (*both, a.operator("removed"))
        hub = a.hub_site(key=OLD_HUB.public)
        return a.trusted(1, operators=first, hubs=(hub,), issued_at=NOW - 30 * a.DAY)
    return a.trusted(2, operators=both, generation=GENERATION)


def node(device: a.Device, version: int, **changes):
    """Return an approval, at the site the device has."""
    member = a.digest(member_of(device))
    return a.node(device, version, **{"member": member, **changes})


def member_of(device: a.Device):
    """Return a device's first word, by the voucher it came with."""
    vouchers = {"n3": "leaked", "n7": "v7"}
    return a.member(device, voucher=vouchers.get(device.name, "v1"))


def web(version: int):
    """Return the fleet's main deployment: two replicas with a secret."""
    workload = a.workload("web", replicas=2, secrets={"token": "/run/secrets/token"})
    return a.deployment("web", version, workloads=(workload,))


def sensor(version: int):
    """Return one replica on each device that carries the label."""
    workload = a.workload("reader", every="role=sensor", sites=("home",))
    return a.deployment("sensor", version, workloads=(workload,))


def founded() -> Fleet:
    """Return the fleet when the enemy moves in; all of this reached the victim."""
    fleet = Fleet()
    fleet.say(trusted(1))
    fleet.say(a.voucher(labels={"role": "sensor"}, issued_at=NOW - 20 * a.DAY))
    closed = {"opens_at": NOW - 9 * a.DAY, "closes_at": NOW - 8 * a.DAY}
    fleet.say(a.voucher("leaked", issued_at=NOW - 9 * a.DAY, **closed))
    fleet.say(a.voucher("v7", site="store-7", issued_at=NOW - 9 * a.DAY))
    for device in (VICTIM, STOLEN, THIRD, FAR):
        fleet.say(member_of(device))
    fleet.say(web(1), REMOVED)
    fleet.say(trusted(2))
    fleet.say(node(VICTIM, 1, labels={"role": "sensor"}))
    fleet.say(node(STOLEN, 1))
    fleet.say(a.voters(VICTIM, THIRD, version=1))
    fleet.say(a.voters(VICTIM, THIRD, STOLEN, version=2))
    fleet.say(a.voters(VICTIM, THIRD, version=3))
    fleet.say(web(2))
    fleet.say(sensor(1))
    fleet.say(a.deployment("db", 1))
    fleet.say(a.deployment("old", 1))
    fleet.say(a.tombstone("old", 2))
    sealed = {VICTIM.id: VICTIM.seal.public, STOLEN.id: STOLEN.seal.public}
    mine = {OPERATOR: a.OPERATOR_SEAL.public}
    fleet.tell("web/token", 1, {**sealed, **mine})
    fleet.say(a.revocation(1, devices=(STOLEN.id,)))
    fleet.tell("web/token", 2, {VICTIM.id: VICTIM.seal.public, **mine})
    return fleet


def later(fleet: Fleet) -> list[bytes]:
    """Say more; the enemy decides when it is delivered, and whether."""
    before = set(fleet.said)
    fleet.say(web(3))
    fleet.say(a.tombstone("db", 2))
    fleet.say(a.voters(VICTIM, version=4))
    fleet.say(node(VICTIM, 2, labels={}))
    fleet.tell("web/token", 3, {VICTIM.id: VICTIM.seal.public})
    fleet.say(a.revocation(2, devices=(STOLEN.id, FAR.id)))
    fleet.say(sensor(2))
    fleet.say(node(VICTIM, 3, labels={"role": "sensor"}))
    fleet.say(a.deployment("new", 1))
    return [data for key, (_, data) in fleet.said.items() if key not in before]


def foreign() -> list[bytes]:
    """Return what the same operator said in another fleet of his."""
    said = (
        a.trusted(9, fleet="other"),
        a.voucher("v9", fleet="other"),
        a.deployment("web", 9, fleet="other"),
        a.tombstone("db", 9, fleet="other"),
        a.msgspec.structs.replace(node(VICTIM, 9), fleet="other"),
        a.revocation(9, fleet="other", devices=(VICTIM.id, STOLEN.id)),
        a.voters(STOLEN, version=9, fleet="other"),
        a.msgspec.structs.replace(
            a.secret("web/token", VICTIM, version=9), fleet="other"
        ),
    )
    return [a.signed(each) for each in said]


def own_voucher():
    """Return a token the enemy may sign with his scope's key: for its site, open."""
    return a.voucher("mine", key=LEAKED.public, site="store-7", scope="seven")


def recovered(fleet: Fleet) -> bytes:
    """Root throws the enemy's hub out and lets the operator sign for ten years."""
    operators = (a.operator(expires_at=NOW + 3650 * a.DAY),)
    hub = a.hub_site(key=NEW_HUB.public)
    return fleet.say(
        a.trusted(3, operators=operators, hubs=(hub,), generation=GENERATION + 1)
    )


def standing(words: list[Node]) -> tuple[str, dict[str, str]]:
    """Return site and labels the operator gave the victim, by his newest word."""
    newest = max(words, key=lambda word: word.version, default=None)
    if newest is None:
        return "home", {"role": "sensor"}
    return newest.site, newest.labels
