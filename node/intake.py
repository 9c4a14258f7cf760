"""What arrives from the hub, judged document by document.

The broker and the hub may send anything, in any order, as often as they like. What
comes out are accepted documents for the store and refusals counted by name.
The ledger moves on in memory at once; the caller writes what was accepted before it
acts, and reloads the ledger from disk if writing fails.

Reports of other devices are evidence for a rollout, with those who signed them: devices
of any site, and their vouchers. These are believed for as long as the bundle is read,
and are not kept: they would fill the disk of a device that is in many rollouts.
A deployment older than the newest is refused as rolled back, but for the one that the
newest names to go back to: it is handed on, and the ledger stays where it is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from edge import documents, envelope
from edge.documents import Deployment, Document, Member, Report, Voucher
from edge.errors import WireError
from edge.trust import Accepted, Head, Known, Ledger, Refused, Verdict, judge

WELCOME: tuple[type[Document], ...] = (
    documents.Trust,
    documents.Revocation,
    documents.Voucher,
    documents.Member,
    documents.Node,
    documents.Voters,
    documents.Deployment,
    documents.Tombstone,
    documents.Control,
    documents.Secret,
    documents.Assignment,
    documents.Plan,
    documents.Beacon,
)
"""Kinds a device takes from outside; the others it writes itself."""
EVIDENCE = documents.payload_type(Report).encode()
PASSING: tuple[type[Document], ...] = (Report, Member, Voucher)
"""Kinds that are believed for one bundle only, where it holds evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message's worth: what to store, what was held already, what was refused."""

    accepted: tuple[Accepted, ...] = ()
    known: tuple[Known, ...] = ()
    refused: tuple[Refused, ...] = ()
    ways_back: tuple[Accepted, ...] = ()
    """Versions that the newest names to go back to: for the disk, not the ledger."""
    evidence: tuple[Report, ...] = ()
    """What neighbours say of themselves, signed by them; never stored."""


@dataclass(slots=True, kw_only=True)
class Intake:
    """The gate of one device; ``refusals`` counts by ``kind: reason``."""

    ledger: Ledger
    refusals: Counter[str] = field(default_factory=Counter)

    def receive(self, payload: bytes, now: float) -> Received:
        """Judge every document of a bundle; ``now`` in seconds since the epoch."""
        if not payload:
            return Received()  # a cleared retained topic
        try:
            envelopes = envelope.unbundle(payload)
        except WireError as error:
            return self._refuse(Refused(reason="malformed", problem=str(error)))
        passing = PASSING if EVIDENCE in payload else ()
        verdicts = list(self._judge_all(envelopes, now, passing))
        refused = _noteworthy(verdicts)
        for each in refused:
            self.count(each)
        accepted = [each for each in verdicts if isinstance(each, Accepted)]
        said = tuple(each.document for each in accepted)
        older = [each for each in accepted if self._is_way_back(each.document)]
        passing_by = [each for each in accepted if isinstance(each.document, passing)]
        return Received(
            accepted=tuple(e for e in accepted if e not in (*older, *passing_by)),
            ways_back=tuple(older),
            known=tuple(each for each in verdicts if isinstance(each, Known)),
            refused=refused,
            evidence=tuple(each for each in said if isinstance(each, Report)),
        )

    def count(self, refused: Refused) -> None:
        """Count a refusal that was decided elsewhere (`node.share`)."""
        self.refusals[f"{refused.kind or 'message'}: {refused.reason}"] += 1

    def _judge_all(
        self,
        envelopes: Iterable[bytes],
        now: float,
        passing: tuple[type[Document], ...],
    ) -> Iterator[Verdict]:
        """Yield verdicts; of kinds that are ``passing`` the ledger learns nothing."""
        witnesses: Ledger | None = None
        for data in envelopes:
            verdict = judge(data, self.ledger, now)
            if _is_one_of(verdict, passing):
                witnesses = witnesses or _witnesses(self.ledger)
                verdict = judge(data, witnesses, now)
            verdict = self._unless_way_back(self._unless_welcome(verdict), data, now)
            if isinstance(verdict, Accepted) and not self._is_way_back(
                verdict.document
            ):
                is_passing = isinstance(verdict.document, passing)
                (witnesses if witnesses and is_passing else self.ledger).record(verdict)
            yield verdict

    def _unless_welcome(self, verdict: Verdict) -> Verdict:
        if isinstance(verdict, Refused) or self._is_welcome(verdict):
            return verdict
        kind = documents.kind_of(type(verdict.document))
        problem = f"a device takes no {kind} from outside"
        return Refused(reason="wrong-kind", problem=problem, kind=kind)

    def _unless_way_back(self, verdict: Verdict, data: bytes, now: float) -> Verdict:
        """Judge a rolled-back deployment again, if it may be one to go back to."""
        said = (verdict.kind, verdict.reason) if isinstance(verdict, Refused) else ()
        if said != ("deployment", "rolled-back"):
            return verdict
        again = judge(data, _before_ways_back(self.ledger), now)
        is_named = isinstance(again, Accepted) and self._is_way_back(again.document)
        return again if is_named else verdict

    def _is_way_back(self, document: Document) -> bool:
        """Return whether the newest version of a deployment names this one."""
        if not isinstance(document, Deployment):
            return False
        newest = self.ledger.deployments.get(document.name)
        is_older = newest is not None and newest.version > document.version
        return newest is not None and is_older and newest.fallback == document.version

    def _is_welcome(self, verdict: Accepted | Known) -> bool:
        """Only the device itself says who it is, and how it is doing."""
        document = verdict.document
        if isinstance(document, Report):
            return document.device != self.ledger.me
        if isinstance(document, Member) and document.device == self.ledger.me:
            return isinstance(verdict, Known)
        return isinstance(document, WELCOME)

    def _refuse(self, refused: Refused) -> Received:
        self.count(refused)
        return Received(refused=(refused,))


def _witnesses(ledger: Ledger) -> Ledger:
    """Return a ledger that believes the same and can learn of strangers."""
    uses = {voucher: set(devices) for voucher, devices in ledger.uses.items()}
    return replace(
        ledger,
        heads=dict(ledger.heads),
        vouchers=dict(ledger.vouchers),
        members=dict(ledger.members),
        names=dict(ledger.names),
        uses=uses,
    )


def _before_ways_back(ledger: Ledger) -> Ledger:
    """Return a ledger that held nothing newer than what it may go back to."""
    heads = dict(ledger.heads)
    for each in ledger.deployments.values():
        head = ledger.head(each.stream)
        if each.fallback and head is not None:
            before = (each.fallback - 1,)
            heads[each.stream] = Head(
                counter=before, digest=head.digest, scope=head.scope
            )
    return replace(ledger, heads=heads)


def _is_one_of(verdict: Verdict, kinds: tuple[type[Document], ...]) -> bool:
    if isinstance(verdict, Refused):
        return verdict.kind in {documents.kind_of(each) for each in kinds}
    return isinstance(verdict.document, kinds)


def _noteworthy(verdicts: Iterable[Verdict]) -> tuple[Refused, ...]:
    """Return the refusals that mean something.

    The trust topic carries the whole recent chain, for devices that are behind; to one
    that has its end, the older links are no attack.
    """
    seen = tuple(verdicts)
    has_newest = any(
        not isinstance(each, Refused) and isinstance(each.document, documents.Trust)
        for each in seen
    )
    return tuple(
        each
        for each in seen
        if isinstance(each, Refused)
        and not (has_newest and (each.kind, each.reason) == ("trust", "rolled-back"))
    )
