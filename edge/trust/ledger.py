"""What was accepted so far: the heads of all streams, and who is who.

The ledger is rebuilt at every start by judging the stored envelopes again (`replay`),
so a changed byte on a disk or in a database never becomes trust. On replay a document
needs only to be genuine: expiry, scope, revocation and threshold are judged once, when
it is first accepted, so that a restart believes what was believed before it.
"""

from dataclasses import dataclass, field, fields

import msgspec

from edge import documents
from edge.documents import (
    Assignment,
    Beacon,
    Control,
    Deployment,
    Document,
    Member,
    Node,
    Operator,
    Plan,
    Revocation,
    Secret,
    Tombstone,
    Trust,
    Voters,
    Voucher,
)
from edge.trust.verdict import Accepted, Known


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest accepted document of a stream."""

    counter: tuple[int, ...]
    digest: str
    scope: str = ""


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """A device that joined: its member document and that document's digest."""

    member: Member
    digest: str


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Everything judging needs to remember; `record` is its only change.

    ``anchor`` is the fingerprint of the root key set the first trust document must
    carry. ``me`` is this device's id on a device, "" elsewhere.
    ``counts_uses`` is set where all members of a voucher are seen: on the hub.
    """

    fleet: str
    anchor: str
    me: str = ""
    counts_uses: bool = False
    floor: float = 0.0
    revision: int = field(default=0, compare=False)
    """Counts changes: what was computed from a ledger holds while it stands still."""
    trust: Trust | None = None
    revocation: Revocation | None = None
    heads: dict[str, Head] = field(default_factory=dict)
    operators: dict[str, Operator] = field(default_factory=dict)
    """Every operator key a trust document ever named: what they signed stays."""
    hubs: set[str] = field(default_factory=set)
    """Every hub key a trust document ever named, for the same reason."""
    vouchers: dict[str, Voucher] = field(default_factory=dict)
    members: dict[str, Enrolled] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Node name → id of the device that had it first."""
    uses: dict[str, set[str]] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    assignment: Assignment | None = None
    """On a device: the newest word of the hub to it."""
    beacon: Beacon | None = None
    secrets: dict[str, dict[str, int]] = field(default_factory=dict)
    """Secret name → recipient → version."""
    plans: dict[str, Plan] = field(default_factory=dict)
    """Site → the newest plan for it."""
    voters: dict[str, Voters] = field(default_factory=dict)
    """Site → whose grants make a lease there."""
    controls: dict[str, Control] = field(default_factory=dict)
    """Deployment → the operator's newest word on its rollout."""

    @property
    def plan(self) -> Plan | None:
        """Return, on a device, the newest plan for the site it is at."""
        return self.plans.get(self.site_of(self.me))

    def site_of(self, device: str) -> str:
        """Return where operators said a device is, "" where none is known to have."""
        node, enrolled = self.nodes.get(device), self.members.get(device)
        if node is not None:
            return node.site
        voucher = self.vouchers.get(enrolled.member.voucher) if enrolled else None
        return voucher.site if voucher else ""

    def head(self, stream: str) -> Head | None:
        """Return the newest accepted of a stream."""
        return self.heads.get(stream)

    def owner(self, stream: str) -> str | None:
        """Return the scope that signs for a stream, None while nobody does.

        A floor of the join file is a head without a document: it owns nothing.
        """
        head = self.heads.get(stream)
        return head.scope if head is not None and head.digest else None

    def is_hidden(self, stream: str) -> bool:
        """Return whether the newest of a stream was held once and is not at hand.

        Its counter is remembered, its content is not: the file was damaged, or whoever
        shows us documents leaves it out. Only for streams whose content decides who is
        trusted; building the next version on what is left would undo the newest.
        """
        kind, _, device = stream.partition("/")  # of voters: a site
        enrolled = self.members.get(device)
        held: dict[str, Document | None] = {
            "trust": self.trust,
            "revocation": self.revocation,
            "member": enrolled.member if enrolled else None,
            "node": self.nodes.get(device),
            "voters": self.voters.get(device),
        }
        head = self.heads.get(stream)
        if kind not in held or head is None or not head.digest:
            return False
        document = held[kind]
        return document is None or document.counter < head.counter

    def is_revoked(self, device: str) -> bool:
        """Return whether the device, or the voucher it came by, was revoked."""
        if self.revocation is None:
            return False
        if device in self.revocation.devices:
            return True
        enrolled = self.members.get(device)
        return bool(enrolled and enrolled.member.voucher in self.revocation.vouchers)

    def member_named(self, name: str) -> Enrolled | None:
        """Return the device that carries a node name."""
        return self.members.get(self.names.get(name, ""))

    def record(self, accepted: Accepted | Known) -> None:
        """Remember an accepted document; call it once the bytes are safe."""
        document = accepted.document
        scope = getattr(document, "scope", "")
        head = Head(counter=document.counter, digest=accepted.digest, scope=scope)
        self.revision += 1
        self.heads[document.stream] = head
        self._raise_floor(document)
        self._index(document, accepted.digest)

    def take_over(self, other: "Ledger") -> None:
        """Become what ``other`` is: what was read from disk after a failed write."""
        revision = self.revision + 1
        for name in (each.name for each in fields(self)):
            setattr(self, name, getattr(other, name))
        self.revision = revision

    def _raise_floor(self, document: Document) -> None:
        """Only root's and operators' documents carry ``issued_at``."""
        self.floor = max(self.floor, getattr(document, "issued_at", 0.0))

    def _index(self, document: Document, digest: str) -> None:
        match document:
            case Trust():
                self.trust = document
                self.operators.update({each.key: each for each in document.operators})
                self.hubs.update(each.key for each in document.hubs)
            case Revocation():
                self.revocation = document
            case Voucher():
                self.vouchers[document.id] = document
            case Member():
                self._enrol(document, digest)
            case Node():
                self.nodes[document.device] = document
            case _:
                self._index_work(document)

    def _index_work(self, document: Document) -> None:
        match document:
            case Deployment():
                self.deployments[document.name] = document
            case Tombstone():
                self.deployments.pop(document.name, None)
            case Secret():
                recipients = self.secrets.setdefault(document.name, {})
                recipients[document.recipient] = document.version
            case Assignment() if document.device == self.me:
                self.assignment = document
            case Beacon():
                self.beacon = document
            case Plan():
                self.plans[document.site] = document
            case Voters():
                self.voters[document.site] = document
            case Control():
                self.controls[document.name] = document
            case _:
                pass

    def _enrol(self, member: Member, digest: str) -> None:
        self.members[member.device] = Enrolled(member=member, digest=digest)
        self.names.setdefault(member.name, member.device)
        self.uses.setdefault(member.voucher, set()).add(member.device)


def fingerprint(root: documents.KeySet) -> str:
    """Return what people compare and join files carry: the digest of the root keys."""
    return documents.identity(root)
