"""Compares what should run here with what does, and plans the difference.

The plan is a set of chains. The actions of one chain are performed in order and stop at
the first that fails; chains are independent, so a slow pull delays no repair. A chain
in flight keeps its key in ``busy`` and is not planned again.

Laws, held by property tests: a converged device gets an empty plan; performing plans
converges; containers that are not ours are in no plan; no two containers of one slot
run at once, but for the moment a rollout lets the new one start first, and for an elder
beside the newer copy (`node.elders`); no back-off delays a newer revision.

Nothing is remembered outside `History`, which each plan returns anew: what is no longer
wanted is forgotten with it. An empty history, as after a restart of the daemon, is a
valid one: containers are adopted from their labels and left alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge.model import ReplicaStatus
from edge.names import Slot
from node import backoff, container_spec, preflight, upkeep
from node.actions import Action, Pull, Start, Wipe
from node.backoff import Trail
from node.container_spec import Host
from node.preflight import Room
from node.replica import ELDER, Container, Replica, Sighting, Verdict
from node.upkeep import Case, Step

History = Mapping[str, Trail]

ROOM_AGAIN = 30.0
"""Seconds until disk and memory are looked at again: somebody may have made room."""
PULL = "pull "
WIPE = "wipe "
UNWANTED = "unwanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All that is known of this device at one moment."""

    sighting: Sighting
    provided: Mapping[str, str] = field(default_factory=dict)
    """Container name → digest of the secrets in the vault."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """A container's life → what its probes say."""
    busy: frozenset[str] = frozenset()
    """Keys of chains in flight."""
    standbys: tuple[Replica, ...] = ()
    """What may have to run here one day: its images are fetched when nothing else is
    to do."""
    room: Room | None = None
    """What disk and memory have left; None skips that check."""
    clock: float = 0.0
    """The device's wall clock, only ever shown to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Actions to perform in order; ``key`` is a replica's, or a pull's or wipe's."""

    key: str
    actions: tuple[Action, ...]
    about: str = ""
    """What it is for, so that its failure is not held against what came after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now, what to say, and when to look again; empty means converged."""

    chains: tuple[Chain, ...]
    statuses: tuple[ReplicaStatus, ...]
    history: History
    wake_at: float | None
    """By the clock of ``now``; None: nothing changes by waiting."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """Return all actions, chain after chain."""
        return tuple(action for chain in self.chains for action in chain.actions)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ruling:
    """What one key gets: a chain that may be empty, its trail, its status."""

    key: str
    trail: Trail
    actions: tuple[Action, ...] = ()
    status: ReplicaStatus | None = None
    wake_at: float | None = None


def plan(
    wanted: Iterable[Replica],
    observed: Observed,
    history: History,
    host: Host,
    now: float,
) -> Plan:
    """Return the difference between ``wanted`` and ``observed``.

    ``now`` is seconds of a clock that never jumps, the same one in every call.
    """
    replicas = sorted(wanted, key=lambda each: each.key)
    scene = _Scene(replicas, observed, history, host, now)
    steps = [(replica, *scene.step(replica)) for replica in scene.replicas]
    pulls = scene.pulls([replica for replica, step, _ in steps if step.needs_image])
    rulings = [
        *pulls.values(),
        *(scene.ruling(replica, step, trail, pulls) for replica, step, trail in steps),
        *scene.unwanted(),
        *scene.orphans(),
    ]
    is_idle = not any(each.actions for each in rulings) and not observed.busy
    rulings += scene.ahead(pulls, is_idle=is_idle)
    return _plan_of(rulings, scene.is_busy)


def performed(history: History, chain: Chain, now: float) -> History:
    """Return the history after all of a chain was done."""
    trail = history.get(chain.key)
    has_started = any(isinstance(each, Start) for each in chain.actions)
    if trail is None or trail.about != chain.about or not has_started:
        return history
    return {**history, chain.key: backoff.started(trail, now)}


def failed(history: History, chain: Chain, problem: str, now: float) -> History:
    """Return the history after a chain stopped at an action that failed.

    ``history`` is the newest one: plans may have been made while the chain ran, and the
    failure of an old revision says nothing of a new one.
    """
    trail = history.get(chain.key)
    if trail is None or trail.about != chain.about:
        return history
    return {**history, chain.key: backoff.failed(trail, problem, now)}


class _Scene:
    """One moment: everything `plan` was given, looked up by slot."""

    def __init__(
        self,
        replicas: list[Replica],
        observed: Observed,
        history: History,
        host: Host,
        now: float,
    ) -> None:
        self.observed = observed
        self.history = history
        self.host = host
        self.now = now
        self.slots: dict[Slot, list[Container]] = {}
        for container in observed.sighting.containers:
            self.slots.setdefault(container.slot, []).append(container)
        newer = {each.slot: each for each in replicas if not each.is_elder}
        self.elders = {
            each.slot: each
            for each in replicas
            if each.is_elder and self._is_another(each, newer.get(each.slot))
        }
        self.newer = newer
        self.beside: dict[Slot, str] = {}
        """What people are told of the elder of each slot."""
        self.replicas = (*newer.values(), *self.elders.values())
        self.current = {each.key: self._current(each) for each in self.replicas}
        staying = {each.id for each in self.current.values() if each}
        everyone = observed.sighting.containers
        self.going = frozenset(each.id for each in everyone if each.id not in staying)

    def step(self, replica: Replica) -> tuple[Step, Trail]:
        """Return what a replica needs, and its trail after this look."""
        current = self.current[replica.key]
        verdict = self.observed.verdicts.get(current.life) if current else None
        trail = self._trail_of(replica)
        if not self.is_busy(replica.key):
            if current is not None:
                trail = self._recognised(replica.key, trail, current)
            is_unhealthy = verdict == "unhealthy"
            trail = backoff.follow(trail, current, self.now, is_unhealthy=is_unhealthy)
        step = upkeep.decide(self._case(replica, current, verdict, trail))
        if replica.is_elder:
            self.beside[replica.slot] = _beside(replica, step)
        return step, trail

    def pulls(self, replicas: list[Replica]) -> dict[str, _Ruling]:
        """Return one ruling for each image that is missing, by image ID."""
        wanted: dict[str, list[Replica]] = {}
        for replica in replicas:
            image_id = container_spec.image_id(replica, self.host.architecture)
            wanted.setdefault(image_id, []).append(replica)
        return {each: self._pull(each, wanted[each]) for each in sorted(wanted)}

    def ahead(
        self, needed: Mapping[str, _Ruling], *, is_idle: bool
    ) -> Iterable[_Ruling]:
        """Yield what is known of images that may be needed later; one is fetched.

        Only by a device that is idle; one that fails waits, and the next has its turn.
        """
        missing = self._missing(self.observed.standbys)
        for image_id, replica in missing.items():
            if image_id not in needed:
                pull = self._pull(image_id, [replica])
                yield pull if is_idle else replace(pull, actions=())
                is_idle = is_idle and not pull.actions

    def _missing(self, replicas: Iterable[Replica]) -> dict[str, Replica]:
        """Return the images that are not here, each with one that will need it."""
        here = {"", *self.observed.sighting.images}
        ids = {
            container_spec.image_id(each, self.host.architecture): each
            for each in replicas
        }
        return {
            image_id: each for image_id, each in ids.items() if image_id not in here
        }

    def ruling(
        self, replica: Replica, step: Step, trail: Trail, pulls: Mapping[str, _Ruling]
    ) -> _Ruling:
        """Return a replica's chain, with the status that people see.

        An elder is in the status of the copy that it runs beside.
        """
        if step.needs_image:
            image_id = container_spec.image_id(replica, self.host.architecture)
            step = self._fetching(step, pulls[image_id])
        shown = (step.state, step.is_healthy)
        if shown != trail.shown:
            trail = replace(trail, shown=shown, shown_at=self.observed.clock)
        status = ReplicaStatus(
            slot=replica.slot,
            deployment=replica.deployment,
            workload=replica.workload.name,
            version=replica.version,
            state=step.state,
            term=replica.term,
            healthy=step.is_healthy,
            since=trail.shown_at,
            restarts=trail.restarts,
            proved=replica.is_proved,
            reason=step.reason or self.beside.get(replica.slot, ""),
        )
        return _Ruling(
            key=replica.key,
            trail=trail,
            actions=step.actions,
            status=None if replica.is_elder else status,
            wake_at=step.wake_at,
        )

    def unwanted(self) -> Iterable[_Ruling]:
        """Return how containers go whose slot this node no longer runs."""
        for slot in sorted(self.slots.keys() - self.newer.keys()):
            yield self._farewell(slot, self.slots[slot])

    def orphans(self) -> Iterable[_Ruling]:
        """Return the wiping of secrets whose container is gone."""
        kept = {each.name for each in self.observed.sighting.containers}
        kept |= {container_spec.name(each) for each in self.replicas}
        for name in sorted(self.observed.provided.keys() - kept):
            wipe = Wipe(container=name, reason="its container is gone")
            trail = self._trail(f"{WIPE}{name}", UNWANTED)
            yield self._paced(
                _Ruling(key=f"{WIPE}{name}", trail=trail, actions=(wipe,))
            )

    def is_busy(self, key: str) -> bool:
        """Return whether a chain of this key, or of the slot's other copy, goes on.

        One copy becomes the other: what is done to it must not be begun twice.
        """
        return not {key, _other(key)}.isdisjoint(self.observed.busy)

    def _is_another(self, elder: Replica, newer: Replica | None) -> bool:
        """Return whether an elder asks for another container than the newer copy."""
        if newer is None:
            return False
        architecture = self.host.architecture
        one, other = (
            (
                container_spec.digest(e, self.host),
                container_spec.image_id(e, architecture),
            )
            for e in (elder, newer)
        )
        return one != other

    def _current(self, replica: Replica) -> Container | None:
        """Return the container that is what ``replica`` wants, a running one first."""
        spec = container_spec.digest(replica, self.host)
        image_id = container_spec.image_id(replica, self.host.architecture)
        fitting = [
            each
            for each in self.slots.get(replica.slot, [])
            if each.spec == spec and each.image_id == image_id
        ]
        fitting.sort(key=lambda each: (not each.is_running, -each.version, each.name))
        return fitting[0] if fitting else None

    def _case(
        self,
        replica: Replica,
        current: Container | None,
        verdict: Verdict | None,
        trail: Trail,
    ) -> Case:
        sighting = self.observed.sighting
        others = self._others(replica, current)
        if replica.slot in self.elders:  # that one serves, it needs no other bridge
            replica = replace(replica, starts_first=False)
        neighbours = [each for each in sighting.containers if each.slot != replica.slot]
        return Case(
            replica=replica,
            host=self.host,
            current=current,
            others=tuple(sorted(others, key=lambda each: each.name)),
            neighbours=tuple(each for each in neighbours if each.is_running),
            going=self.going,
            has_image=container_spec.image_id(replica, self.host.architecture)
            in sighting.images,
            provided=self.observed.provided,
            verdict=verdict,
            trail=trail,
            now=self.now,
        )

    def _others(self, replica: Replica, current: Container | None) -> list[Container]:
        """Return what has to go of a slot; of an elder, only what is in its own way."""
        mine = self.slots.get(replica.slot, [])
        if replica.is_elder:
            name = container_spec.name(replica)
            return [each for each in mine if each is not current and each.name == name]
        elder = self.elders.get(replica.slot)
        beside = self.current[elder.key] if elder else None
        kept = container_spec.name(elder) if elder else ""
        return [
            each
            for each in mine
            if each is not current and each is not beside and each.name != kept
        ]

    def _pull(self, image_id: str, replicas: list[Replica]) -> _Ruling:
        about = ",".join(f"{each.slot}:{each.version}" for each in replicas)
        key = f"{PULL}{image_id}"
        trail = self._trail(key, about)
        workload = replicas[0].workload
        room = self.observed.room
        problem = preflight.problem(room, workload) if room else ""
        if problem:
            trail = replace(trail, problem=problem)
            return _Ruling(key=key, trail=trail, wake_at=self.now + ROOM_AGAIN)
        platform = next(
            each for each in workload.image.platforms if each.image_id == image_id
        )
        reason = f"{about.replace(',', ', ')} needs it"
        pull = Pull(image=workload.image, platform=platform, reason=reason)
        return self._paced(_Ruling(key=key, trail=trail, actions=(pull,)))

    def _fetching(self, step: Step, pull: _Ruling) -> Step:
        if step.state != "pulling":
            return step
        is_under_way = bool(pull.actions) or pull.key in self.observed.busy
        if is_under_way:
            return replace(step, reason=pull.trail.problem)
        return replace(step, state="backing-off", reason=pull.trail.problem)

    def _farewell(self, slot: Slot, containers: list[Container]) -> _Ruling:
        ordered = sorted(containers, key=lambda each: each.name)
        reason = "no longer assigned here"
        actions = [
            action
            for each in ordered
            for action in upkeep.leave(each, reason, self.observed.provided)
        ]
        last = ordered[-1]
        trail = self._trail(slot, UNWANTED)
        if not trail.shown_at:
            trail = replace(trail, shown_at=self.observed.clock)
        status = ReplicaStatus(
            slot=slot,
            deployment=last.deployment,
            workload=last.workload,
            version=last.version,
            state="stopping",
            term=last.term,
            since=trail.shown_at,
            reason=trail.problem or reason,
        )
        ruling = _Ruling(key=slot, trail=trail, actions=tuple(actions), status=status)
        return self._paced(ruling)

    def _paced(self, ruling: _Ruling) -> _Ruling:
        """Return the ruling without its actions while its failures make it wait."""
        ready = backoff.ready_at(ruling.trail)
        if self.now >= ready:
            return ruling
        return replace(ruling, actions=(), wake_at=ready)

    def _recognised(self, key: str, trail: Trail, current: Container) -> Trail:
        """Return a new trail with what is known of a container that ran before it.

        It ran under an earlier revision with the same specification, or before this
        daemon started: then it has proved itself already.
        """
        if trail.life or not current.is_running:
            return trail
        before = self.history.get(key)
        if before is None:
            return backoff.adopted(trail, current, self.now)
        if before.life == current.life:
            return replace(trail, life=before.life, since=before.since)
        return trail

    def _trail_of(self, replica: Replica) -> Trail:
        """Return what is known of a replica, under its key or its former one."""
        about = self._about(replica)
        known = (self.history.get(each) for each in (replica.key, _other(replica.key)))
        same = (each for each in known if each is not None and each.about == about)
        return next(same, Trail(about=about))

    def _about(self, replica: Replica) -> str:
        return f"{replica.version}:{container_spec.digest(replica, self.host)}"

    def _trail(self, key: str, about: str) -> Trail:
        """Return what is known under ``key``, nothing if it was about another thing."""
        trail = self.history.get(key, Trail())
        return trail if trail.about == about else Trail(about=about)


def _beside(elder: Replica, step: Step) -> str:
    how = "" if step.is_healthy else f", which is {step.state}"
    why = f": {step.reason}" if how and step.reason else ""
    return f"beside revision {elder.version}{how}{why}"


def _other(key: str) -> str:
    """Return the key of the slot's other copy."""
    return key.removesuffix(ELDER) if key.endswith(ELDER) else f"{key}{ELDER}"


def _plan_of(rulings: list[_Ruling], is_busy: Callable[[str], bool]) -> Plan:
    chains = [
        Chain(key=each.key, actions=each.actions, about=each.trail.about)
        for each in rulings
        if each.actions and not is_busy(each.key)
    ]
    wakes = [each.wake_at for each in rulings if each.wake_at is not None]
    return Plan(
        chains=tuple(chains),
        statuses=tuple(each.status for each in rulings if each.status),
        history={each.key: each.trail for each in rulings},
        wake_at=min(wakes, default=None),
    )
