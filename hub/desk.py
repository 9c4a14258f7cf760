"""The hub's one writer: judge, decide, commit, and only then believe it is so.

- Everything that changes what counts goes through `_writing`, one at a time. If the
  commit fails, memory is thrown away and read from the database again.
- The documents of a request and what is decided because of them are one transaction,
  so a hub that loses power finds either both or neither.
- What devices say over MQTT is believed at once and written within a second: a device
  says it again. Nothing is decided or published from a state that is not written.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from edge import documents, envelope
from edge.documents import Assignment, Document, Plan
from edge.errors import WireError
from edge.mqtt import Message
from edge.placement import explain
from edge.trust import Accepted, Refused
from hub import (
    adoption,
    decision,
    intake,
    records,
    recovery,
    retrieval,
    staging,
    telling,
)
from hub.adoption import Adopted, Offer
from hub.agenda import Agenda, Changes
from hub.archive import Archive
from hub.backlog import Backlog
from hub.certification import Office
from hub.decision import Decision, Signed
from hub.hearing import Effects, Hearing
from hub.identity import Identity
from hub.intake import Result, Taken
from hub.records import Batch
from hub.registry import Issued
from hub.retrieval import Retrieval
from hub.state import Disk, State, restore

NAMED_MAX = 10
"""Nodes or slots named in one event."""
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API says to a bundle."""

    results: tuple[Result, ...]
    status: int


class Desk:
    """State, database and keys in one place; the API and the loops come here."""

    def __init__(
        self, me: Identity, archive: Archive, clock: Clock, certificate_for: float
    ) -> None:
        """``certificate_for`` is the life of a device's certificate in seconds."""
        self.identity = me
        self.archive = archive
        self.clock = clock
        self.backlog = Backlog()
        self.agenda = Agenda()
        self.changes = Changes()
        self.adopted = asyncio.Event()
        self.state = restore(me.key.public, Disk(meta={}))
        self._office = Office(identity=me, life=certificate_for)
        self._retrieval = Retrieval(self.agenda, self.changes, self.tell)
        self._hearing = Hearing(counters=self.backlog.counters)
        self._lock = asyncio.Lock()
        self._is_stale = True
        self._meta: dict[str, str] = {}

    async def open(self) -> None:
        """Read the database."""
        async with self._writing():
            pass
        for stream in self.state.damaged:
            problem = f"cannot believe the stored {stream}: it is damaged; passed over"
            self.tell("damaged", stream, problem)
        self._after_trust()

    async def post(self, body: bytes, code: str = "") -> Answer:
        """Take in a bundle; raise `StoreError` if nothing of it could be stored."""
        try:
            envelopes = envelope.unbundle(body)
        except WireError as error:
            return self._answer(Refused(reason="malformed", problem=str(error)))
        async with self._writing():
            if self.state.ledger.trust is None:
                return await self._adopt(envelopes, code)
            return await self._take(envelopes)

    @property
    def code(self) -> str:
        """Return the one-time code that adopts this hub, "" for none."""
        return self._meta.get(adoption.CODE, "")

    def hear(self, message: Message) -> None:
        """Take in what a device says over MQTT."""
        effects = self._hearing.receive(self.state, message, self.clock())
        self._follow(effects)

    async def hand_in(self, message: Message) -> None:
        """Take in what a device was asked for after this hub lost it."""
        async with self._writing():
            now = self.clock()
            sender = retrieval.sender(self.state, message)
            found = retrieval.unbundled(message.payload)
            if sender is None or not found:
                self.backlog.counters["documents: not-asked"] += 1
                return
            taken = intake.take_back(self.state, found, now)
            named = recovery.holdings(taken.assignments, self.state.holdings)
            self.state.holdings.update(named)
            batch = replace(_batch(None, (), now, taken.accepted), holdings=named)
            await self.archive.commit(batch)
            if taken.accepted:
                self.state.recovery.extend(sender.device, now)
        self._announce((), taken)
        for refused in taken.all_refused:
            self.backlog.refuse(refused, now)
        report = self._retrieval.came(self.state, sender, found, now)
        if report is not None:
            self.hear(report)

    async def decide(self) -> None:
        """Look at the whole fleet, and sign and store what should change."""
        async with self._writing():
            now = self.clock()
            self._retrieval.settle(self.state, now)
            if self.state.recovery.is_asking:
                return
            made = decision.decide(self.state, now)
            signed = self._sign(made)
            await self.archive.commit(_batch(made, signed, now))
        self._announce(signed)

    async def beacon(self) -> None:
        """Say that what was published is fresh."""
        if not self.state.is_adopted or self.state.recovery.is_asking:
            return
        async with self._writing():
            now = self.clock()
            document = decision.next_beacon(self.state.ledger, now)
            signed = decision.sign(document, self.identity.key)
            self.state.take_own(signed.document, signed.digest, signed.envelope)
            await self.archive.commit(Batch(documents=(_stored(signed, now),)))
        self.agenda.publish_fleet()

    async def flush(self) -> None:
        """Write down what devices said, and what was told, since the last time."""
        async with self._turn():
            batch = self.backlog.take()
            try:
                await self.archive.commit(batch)
            except BaseException:
                self.backlog.put_back(batch.events)
                raise
            self.backlog.written(batch.reports)
        if batch.events:
            self.changes.notify()

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[State]:
        """Give the state at a moment when all of it is written; keep it short."""
        async with self._turn():
            yield self.state

    def tell(self, kind: str, subject: str, text: str) -> None:
        """Remember an event; it is written with the next flush."""
        self.backlog.tell(kind, subject, text, self.clock())

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until nobody writes, with a memory that is what the database says."""
        async with self._lock:
            if self._is_stale:
                await self._read()
            yield

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        """Take a turn that changes memory before it is written."""
        async with self._turn():
            try:
                yield
            except BaseException:
                self._is_stale = True
                raise

    async def _read(self) -> None:
        """Make memory anew from the database, and what is not written yet."""
        disk = await self.archive.read()
        reports = {row.device: row for row in disk.reports} | self.backlog.reports
        before = self.state
        self.state = restore(
            self.identity.key.public,
            Disk(
                meta=disk.meta,
                documents=disk.documents,
                reports=reports.values(),
                holdings=disk.holdings,
                certificates=disk.certificates,
                rollouts=disk.rollouts,
                evidence=disk.evidence,
            ),
        )
        self.state.presence = before.presence
        self.state.broker_since = before.broker_since
        self.state.listens_since = before.listens_since
        self.state.alarms = before.alarms
        self.state.recovery = before.recovery
        self.state.beats = before.beats
        self._meta = dict(disk.meta)
        self._is_stale = False
        # Rollouts are not in memory before they are looked at again.
        self.agenda.to_decide.set()

    async def _take(self, envelopes: Sequence[bytes]) -> Answer:
        now = self.clock()
        taken = intake.take(self.state, envelopes, now)
        results, issued = self._office.certify(self.state, taken, now)
        is_due = taken.is_moving and not self.state.recovery.is_asking
        made = decision.decide(self.state, now) if is_due else None
        signed = self._sign(made) if made else ()
        batch = _batch(made, signed, now, taken.accepted, issued)
        await self.archive.commit(batch)
        if taken.refused:
            self.backlog.refuse(taken.refused, now)
        self._announce(signed, taken)
        return Answer(results=results, status=intake.status(taken.refused))

    async def _adopt(self, envelopes: Sequence[bytes], code: str) -> Answer:
        now = self.clock()
        hub = adoption.Hub(
            key=self.identity.key.public,
            ca=self.identity.ca_pem.decode(),
            meta=self._meta,
        )
        offer = Offer(envelopes=envelopes, code=code, now=now)
        adopted = adoption.adopt(offer, hub)
        if isinstance(adopted, Refused):
            return self._answer(adopted)
        await self.archive.commit(_founding(adopted, now))
        await self._read()
        self._announce((), Taken(verdicts=adopted.chain))
        results = tuple(intake.result(each) for each in adopted.chain)
        return Answer(results=results, status=200)

    def _sign(self, made: Decision) -> tuple[Signed, ...]:
        """Sign what was decided, and believe it."""
        key = self.identity.key
        before = {each.slot for each in self.state.placement.unplaced}
        rollouts, evidence = dict(self.state.rollouts), self.state.evidence
        signed = tuple(decision.sign(each, key) for each in made.documents)
        decision.apply(self.state, made, signed)
        new = [each for each in made.placement.unplaced if each.slot not in before]
        for each in new[:NAMED_MAX]:
            self.tell("unplaced", each.slot, explain(each))
        for name, text in telling.of(rollouts, made.courses):
            self.tell("rollout", name, text)
        for name, text in telling.stranded(evidence, made.evidence, made.courses):
            self.tell("rollout", name, text)
        if evidence != self.state.evidence:
            self.agenda.publish(*staging.lagging(made.courses.values()))
        for slot, held in made.plan.learned.items():
            self.tell("takeover", slot, f"{held.node} holds it in term {held.term}")
        for site, problem in made.succession.problems:
            self.tell("unplanned", site, f"site {site} is too large: {problem}")
        return signed

    def _announce(self, signed: Sequence[Signed], taken: Taken | None = None) -> None:
        """Set going what follows from a commit."""
        documents_taken = [each.document for each in taken.accepted] if taken else []
        for document in documents_taken:
            version = ".".join(str(number) for number in document.counter)
            kind = documents.kind_of(type(document))
            self.tell("accepted", document.stream, f"accepted {kind} version {version}")
        if taken:
            self._after(taken)
        if signed:
            self._announce_own([each.document for each in signed])
        if signed or documents_taken:
            self.changes.notify()

    def _announce_own(self, own: Sequence[Document]) -> None:
        nodes = [each.node for each in own if isinstance(each, Assignment)]
        plans = [each for each in own if isinstance(each, Plan)]
        self.agenda.publish(*nodes)
        for plan in plans:
            self.agenda.publish(*(each.name for each in plan.members))
        if nodes:
            self.tell("assigned", _named(nodes), "signed a new assignment")
        if plans:
            sites = [each.site for each in plans]
            self.tell("planned", _named(sites), "signed what the site needs alone")

    def _after(self, taken: Taken) -> None:
        """Look again at what accepted documents touch."""
        self.agenda.publish(*intake.touched(taken, self.state))
        if taken.is_joining:
            self.agenda.to_decide.set()
        if taken.is_revoking:
            self.agenda.publish_fleet()
        if taken.is_revoking or taken.is_viewing:
            self.agenda.to_admit.set()
        if taken.is_founding:
            self._after_trust()

    def _after_trust(self) -> None:
        if self.state.ledger.trust is not None:
            self.agenda.publish_fleet()
            self.agenda.to_decide.set()
        if self.state.is_adopted:
            self.adopted.set()

    def _follow(self, effects: Effects) -> None:
        if effects.node:
            self.agenda.publish(effects.node)
        row = self.state.report_row(effects.reported) if effects.reported else None
        if row is not None:
            self.backlog.reports[row.device] = row
        if effects.is_deciding:
            self.agenda.to_decide.set()
        if effects.intruder:
            self.agenda.intruded(effects.intruder)
        self.backlog.events.extend(effects.events)
        self._retrieval.look(self.state)
        if effects.is_change:
            self.changes.notify()

    def _answer(self, refused: Refused) -> Answer:
        self.backlog.refuse(refused, self.clock())
        status = intake.status(refused)
        return Answer(results=(intake.result(refused),), status=status)


def _batch(
    made: Decision | None,
    signed: Iterable[Signed],
    now: float,
    accepted: Iterable[Accepted] = (),
    issued: tuple[Issued, ...] = (),
) -> Batch:
    """Return one transaction for documents and what was decided because of them."""
    taken = tuple(records.stored(each, now) for each in accepted)
    return Batch(
        documents=(*taken, *(_stored(each, now) for each in signed)),
        holdings=made.plan.holdings if made else {},
        rollouts=made.rollouts if made else {},
        evidence=made.new_evidence if made else {},
        certificates=issued,
    )


def _founding(adopted: Adopted, now: float) -> Batch:
    chain = tuple(records.stored(each, now) for each in adopted.chain)
    return Batch(documents=chain, meta=adopted.meta)


def _stored(signed: Signed, now: float) -> records.Stored:
    return records.of(signed.document, signed.digest, signed.envelope, now)


def _named(nodes: Sequence[str]) -> str:
    more = len(nodes) - NAMED_MAX
    named = ", ".join(nodes[:NAMED_MAX])
    return f"{named} and {more} more" if more > 0 else named
