"""What a device knows of rollouts: trials on its disk, evidence in its memory.

A switch to a new version is acted on only when its trial is on disk. Going back is not
held up by a disk that refuses: it may be the bad version that filled it, and what was
not remembered is tried once more after the next start, nothing worse.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from msgspec import structs

from edge import sealed_text, trust
from edge.documents import Deployment
from edge.errors import EdgeError, StoreError, WireError
from edge.model import Failure, ReplicaPlace, SealedText
from edge.trust import Ledger
from node import elders, share, trial, versions
from node.device import Device
from node.elders import Elder, Newcomer
from node.failures import LastWords
from node.proofs import Proofs
from node.share import Places, Standing
from node.trial import NO_TERMS, Look, Terms, Trials
from node.versions import Revisions, Staging

Tell = Callable[[str, str, str], None]
"""Writes down an event: kind, subject, text."""


@dataclass(slots=True, kw_only=True)
class Staged:
    """One device's part in the rollouts of its deployments."""

    device: Device
    tell: Tell
    trials: Trials = field(default_factory=Trials)
    proofs: Proofs = field(default_factory=Proofs)
    _saved: bytes = b""

    def load(self) -> None:
        """Take up what the disk says, and count this start."""
        self._saved = self.device.store.read_trials()
        try:
            if self._saved:
                self.trials.book = trial.decode(self._saved)
        except WireError:
            self.device.store.forget_trials()
        for failure in self.trials.restarted(self.device.clock()):
            self._tell_bad(failure)

    def staging(self) -> Staging:
        """Return what bears on a change of version now."""
        return Staging(
            proofs=self.proofs,
            controls=self._ledger.controls,
            bad=self.trials.bad,
            entered=self.trials.entered,
            given_up=self.trials.given_up,
            at=self._time(),
        )

    def settle(
        self, places: Places, held: Places, standing: Standing, revisions: Revisions
    ) -> dict[str, ReplicaPlace]:
        """Return the places with what runs instead of versions that are bad here."""
        found = dict(places)
        for slot, place in places.items():
            if not self.trials.is_bad(slot, place.version):
                continue
            before = held.get(slot)
            if before is not None and before.version < place.version:
                found[slot] = structs.replace(place, version=before.version)
            else:
                found[slot] = self._way_back(place, standing, revisions) or place
        return found

    def enter(
        self, places: Places, held: Places, standing: Standing, revisions: Revisions
    ) -> None:
        """Put new versions on trial, on disk first.

        Raises `StoreError` when they cannot be remembered; then nothing has changed.
        """
        before = replace(self.trials)
        terms = {
            slot: self._terms(place, standing, revisions)
            for slot, place in places.items()
        }
        was = {slot: each.version for slot, each in held.items()}
        beside = self._elders(places, was, standing, revisions)
        self.trials.enter(terms, self._heads(), was, beside)
        try:
            self._save()
        except StoreError:
            # What is watched is still judged: it may be what filled the disk.
            self.trials = replace(before, terms={**before.terms, **terms})
            raise
        for slot, watch in self.trials.book.watched.items():
            known = before.book.watched.get(slot)
            if known is None or known.version != watch.version:
                self._tell_trial(slot, terms[slot])

    def begin(self, slot: str, version: int) -> None:
        """Remember, before a container is started, that its version begins."""
        self.trials.begin(slot, version)
        try:
            self._save()
        except StoreError as error:
            # Starts of the device are not held against it, failures are.
            self.tell("failed", "store", str(error))

    def going_back(self, places: Places, held: Places) -> dict[str, ReplicaPlace]:
        """Return what is held, but for slots that leave a version which is bad here."""
        return {
            slot: places[slot]
            if slot in places and self.trials.is_bad(slot, place.version)
            else place
            for slot, place in held.items()
        }

    def kept(self, places: Places) -> tuple[ReplicaPlace, ...]:
        """Return these places in the version before a trial, and in the one beside."""
        before = self.trials.book.before
        way_back = (
            structs.replace(each, version=before[slot])
            for slot, each in places.items()
            if slot in before
        )
        return (*way_back, *self.beside(places))

    def beside(self, places: Places) -> tuple[ReplicaPlace, ...]:
        """Return the places in which an older version runs on."""
        known = self.trials.book.elders
        return tuple(
            structs.replace(each, version=known[slot].version)
            for slot, each in places.items()
            if slot in known and known[slot].version
            if known[slot].beside == each.version
        )

    def older(
        self, places: Places, standing: Standing, revisions: Revisions
    ) -> tuple[ReplicaPlace, ...]:
        """Return those of them that are still within what was signed for them."""
        deployments = self._ledger.deployments
        return tuple(
            each
            for each in self.beside(places)
            if share.is_within(each, deployments, standing, revisions)
        )

    def lost(self, places: Places, revisions: Revisions) -> frozenset[tuple[str, int]]:
        """Return elders whose document was lost: their containers are let be."""
        return frozenset(
            (each.slot, each.version)
            for each in self.beside(places)
            if (each.deployment, each.version) not in revisions
        )

    def count(self, now: float) -> None:
        """Let go what was kept for long enough, ``now`` by CLOCK_BOOTTIME."""
        book = self.trials.book
        found = dict(book.elders)
        for slot, elder in book.elders.items():
            if self._is_switched(slot, elder):
                found[slot] = elders.count(elder, self._keep_for(slot, elder), now)
        if found == book.elders:
            return
        self.trials.book = structs.replace(book, elders=found)
        self._tell_elders(book.elders, found)
        try:
            self._save()
        except StoreError as error:
            # It stays a while longer after the next start.
            self.tell("failed", "store", str(error))

    def leaves_at(self) -> float | None:
        """Return when `count` lets the next one go, by CLOCK_BOOTTIME."""
        times = (
            elders.leaves_at(elder, self._keep_for(slot, elder))
            for slot, elder in self.trials.book.elders.items()
        )
        return min((each for each in times if each is not None), default=None)

    def look(self, looks: Iterable[Look], now: float) -> trial.Findings:
        """Take in how slots on trial are doing, ``now`` by CLOCK_BOOTTIME."""
        found = self.trials.look(looks, now)
        for slot in found.proved:
            version = self.trials.book.proved[slot]
            self.tell("proved", slot, f"revision {version} proved itself")
        if found.proved:
            try:
                self._save()
            except StoreError as error:
                # It is watched once more after the next start.
                self.tell("failed", "store", str(error))
        return found

    def condemn(
        self, slot: str, reason: str, log: str, version: int = 0
    ) -> Failure | None:
        """Call the version on trial in a slot bad; None when it is no more.

        With ``version`` only that one: while its log was read, it may be overtaken.
        """
        if version and self.trials.watched(slot) != version:
            return None
        words = LastWords(plain=log, sealed=self._sealed(slot, log))
        failure = self.trials.condemn(slot, reason, self.device.clock(), words)
        if failure is not None:
            self._tell_bad(failure)
        return failure

    def is_due(self, later: Places, node: str) -> bool:
        """Return whether one of these changes waits for its window no longer."""
        at = self._time()
        found = (
            self._ledger.deployments.get(each.deployment) for each in later.values()
        )
        rollouts = (each.rollout for each in found if each)
        return any(
            each is None
            or each.window is None
            or versions.is_open(each.window, at, node)
            for each in rollouts
        )

    def _sealed(self, slot: str, log: str) -> SealedText | None:
        """Return a log for the operators who may know the deployment's secrets."""
        ledger, deployment = self._ledger, slot.partition("/")[0]
        if ledger.trust is None:
            return None
        owner = ledger.owner(f"deployment/{deployment}") or ""
        now = max(self.device.clock(), ledger.floor)
        who = trust.readers(ledger.trust, owner, now)
        return sealed_text.seal(log, (each.seal for each in who))

    @property
    def _ledger(self) -> Ledger:
        return self.device.ledger

    def _time(self) -> float | None:
        """Return the wall clock, None while it is behind what was signed already."""
        at = self.device.clock()
        return at if at >= self._ledger.floor else None

    def _terms(
        self, place: ReplicaPlace, standing: Standing, revisions: Revisions
    ) -> Terms:
        signed = revisions.get((place.deployment, place.version))
        if signed is None or signed.rollout is None:
            return NO_TERMS
        back = self._way_back(place, standing, revisions)
        return trial.terms_of(signed, has_way_back=back is not None)

    def _elders(
        self,
        places: Places,
        was: Mapping[str, int],
        standing: Standing,
        revisions: Revisions,
    ) -> dict[str, Elder]:
        """Return what runs beside the versions that are placed."""
        found: dict[str, Elder] = {}
        for slot, place in places.items():
            known = self.trials.book.elders.get(slot)
            if known is not None and known.beside == place.version:
                found[slot] = known
                continue
            signed = self._ledger.deployments.get(place.deployment)
            workload = share.workload_of(place, signed) if signed else None
            if signed is None or workload is None or signed.version != place.version:
                continue
            if elders.has_elders(signed, workload):
                back = self._back_to(place, signed, standing, revisions)
                new = self._newcomer(place, was.get(slot, 0), back)
                found[slot] = elders.beside(new, known)
        return found

    def _newcomer(self, place: ReplicaPlace, held: int, back: int) -> Newcomer:
        return Newcomer(
            version=place.version,
            held=held,
            back=back,
            is_promoted=self._is_promoted(place.deployment, place.version),
            # Only the newest word is known: what a later version goes back to was
            # what served when it was signed.
            was_promoted=back == held or self._is_promoted(place.deployment, held),
        )

    def _back_to(
        self,
        place: ReplicaPlace,
        signed: Deployment,
        standing: Standing,
        revisions: Revisions,
    ) -> int:
        """Return the version that was signed to go back to, 0 if it may not be here."""
        back = structs.replace(place, version=signed.fallback)
        deployments = self._ledger.deployments
        is_there = share.is_within(back, deployments, standing, revisions)
        return signed.fallback if is_there else 0

    def _is_promoted(self, deployment: str, version: int) -> bool:
        said = self._ledger.controls.get(deployment)
        is_about = said is not None and said.target == version
        return said is not None and is_about and said.action == "promote"

    def _is_switched(self, slot: str, elder: Elder) -> bool:
        """Return whether its time runs: once it does, nothing said later stops it."""
        if not elder.version or elder.is_leaving:
            return elder.is_leaving
        deployment = slot.partition("/")[0]
        is_proved = self.trials.is_proved(slot, elder.beside)
        return is_proved and self._is_promoted(deployment, elder.beside)

    def _keep_for(self, slot: str, elder: Elder) -> float:
        """Return what was signed; for ever where that is not here any more."""
        name = slot.partition("/")[0]
        signed = self._ledger.deployments.get(name)
        if signed is None or signed.version != elder.beside:
            signed = self._overtaken(name, elder.beside)
        if signed is None or signed.rollout is None:
            return float("inf")
        return signed.rollout.keep_for

    def _overtaken(self, name: str, version: int) -> Deployment | None:
        """Return a version that runs here though a newer one was signed."""
        with suppress(EdgeError):  # damaged: the hub is asked for it elsewhere
            return self.device.store.deployment(name, version)
        return None

    def _way_back(
        self, place: ReplicaPlace, standing: Standing, revisions: Revisions
    ) -> ReplicaPlace | None:
        """Return the place in the version to go back to, None where there is none.

        What runs on beside it, and else the one that was signed for that; where it is
        not here, or was bad here itself, what ran before.
        """
        signed = revisions.get((place.deployment, place.version))
        if signed is None or not signed.fallback:
            return None
        before = self.trials.book.before.get(place.slot, 0)
        older = self.beside({place.slot: place})
        deployments = self._ledger.deployments
        for version in (*(e.version for e in older), signed.fallback, before):
            is_good = not self.trials.is_bad(place.slot, version)
            if 0 < version < place.version and is_good:
                back = structs.replace(place, version=version)
                if share.is_within(back, deployments, standing, revisions):
                    return back
        return None

    def _heads(self) -> Mapping[str, int]:
        """Return the newest version of each deployment that has not ended."""
        heads = {name: each.version for name, each in self._ledger.deployments.items()}
        for stream in self.device.store.missing:
            kind, _, name = stream.partition("/")
            head = self._ledger.head(stream)
            if kind == "deployment" and head is not None:
                heads[name] = head.counter[0]
        return heads

    def _save(self) -> None:
        content = trial.encode(self.trials.book)
        if content != self._saved and (self._saved or self.trials.book != trial.Book()):
            self.device.store.write_trials(content)
            self._saved = content

    def _tell_trial(self, slot: str, terms: Terms) -> None:
        way = "" if terms.has_way_back else ", there is no way back"
        text = f"revision {terms.version} must be healthy for {terms.healthy_for:g} s"
        self.tell("trial", slot, text + way)

    def _tell_elders(self, before: elders.Elders, after: elders.Elders) -> None:
        for slot, elder in after.items():
            was = before[slot]
            if was.version and not elder.version:
                self.tell("left", slot, f"revision {was.version} was kept long enough")
            elif elder.is_leaving and not was.is_leaving:
                kept = f"revision {elder.version} stays for"
                text = f"{kept} {self._keep_for(slot, elder):g} s"
                self.tell("promoted", slot, f"revision {elder.beside}: {text}")

    def _tell_bad(self, failure: Failure) -> None:
        text = f"revision {failure.version} failed its trial: {failure.reason}"
        self.tell("bad", failure.slot, text)
