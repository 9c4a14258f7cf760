"""Decides what one replica needs next: its containers compared with what is wanted.

- What must wait (for a secret, for its image) is not started; what runs is left alone.
  Its image is fetched meanwhile.
- The new container is created, then the old one stopped, then the new one started:
  never two of one slot at once, and what cannot even be created stops nothing.
- Only where a rollout starts first, the old one serves on beside the new one until that
  is healthy. What a slot goes back from is a newer one: it leaves at once.
- One that ended, or is unhealthy, is started again when `backoff` allows.
- One whose process is gone while Podman believes in it, or that Podman cannot start in
  its state, is made anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.model import Port, ReplicaState
from node import backoff, container_spec
from node.actions import Action, Create, Provide, Remove, Start, Stop, Wipe
from node.backoff import Trail
from node.container_spec import Host
from node.replica import PASSING, STARTABLE, Container, Replica, Verdict

WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what people write for "all"
LOOK_AGAIN = 0.25
"""Seconds until a look at what Podman is busy changing: its repair takes about 0.15 s,
and until the new process is seen nobody watches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One replica and all that bears on it at one moment."""

    replica: Replica
    host: Host
    current: Container | None
    """The container that is what is wanted."""
    others: tuple[Container, ...] = ()
    """Containers of this slot that have to go."""
    neighbours: tuple[Container, ...] = ()
    """Running containers of ours in other slots: they may hold a port."""
    going: frozenset[str] = frozenset()
    """IDs of those neighbours that will not stay."""
    has_image: bool = True
    provided: Mapping[str, str] = field(default_factory=dict)
    """Container name → digest of the secrets that are in the vault for it."""
    verdict: Verdict | None = None
    """What the probes say of this life of `current`, None before the first."""
    trail: Trail
    now: float

    @property
    def kept(self) -> Container | None:
        """Return `current` unless it is beyond a start: then it is made anew."""
        current = self.current
        if current is None or current.is_running:
            return current
        is_broken = self.trail.refused >= backoff.REMAKE_AFTER
        return current if current.state in STARTABLE and not is_broken else None

    @property
    def name(self) -> str:
        """Return the name the wanted container has or will have."""
        return self.kept.name if self.kept else container_spec.name(self.replica)

    @property
    def bridge(self) -> Container | None:
        """Return the older container that serves until the wanted one is healthy."""
        if not self.replica.starts_first:
            return None
        older = [
            each
            for each in self.others
            if each.is_running and each.version < self.replica.version
        ]
        # Of two, the newer one was on its way when it was overtaken itself.
        return min(older, key=lambda each: (each.version, each.name), default=None)

    @property
    def image_id(self) -> str:
        """Return the signed image ID for this device, "" if there is none."""
        return container_spec.image_id(self.replica, self.host.architecture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do for a replica now, and what to say of it."""

    state: ReplicaState
    actions: tuple[Action, ...] = ()
    is_healthy: bool = False
    reason: str = ""
    wake_at: float | None = None
    """When to look again though nothing happens, by the clock of ``now``."""
    needs_image: bool = False


def decide(case: Case) -> Step:
    """Return the next step; no actions means nothing can or need be done now."""
    if case.current and case.current.is_running:
        return _running(case, case.current)
    if not case.image_id:
        architecture = case.host.architecture
        reason = f"cannot run here: the image was not signed for {architecture}"
        return Step(state="failed", reason=reason)
    needs_image = case.kept is None and not case.has_image
    if case.replica.waits_for:
        reason = case.replica.waits_for
        return Step(state="waiting", reason=reason, needs_image=needs_image)
    if needs_image:
        return Step(state="pulling", needs_image=True)
    return _blocked(case) or _not_running(case)


def leave(
    container: Container, reason: str, provided: Mapping[str, str]
) -> tuple[Action, ...]:
    """Return how a container of ours goes for good, its secrets with it."""
    stop = _stops([container], reason)
    return (*stop, *_removals([container], reason, provided))


def _running(case: Case, current: Container) -> Step:
    ready = backoff.ready_at(case.trail)
    is_ready = case.now >= ready
    is_healthy = _is_healthy(case, current)
    bridge = None if is_healthy else case.bridge
    tidy = _tidy(case, bridge)
    if case.verdict == "unhealthy":
        if not is_ready:
            return _pausing(case)
        restart = (*tidy, *_restart(current, case.replica.version))
        return Step(state="starting", reason="unhealthy", actions=restart)
    is_waiting = bool(tidy) and not is_ready
    return Step(
        state="running" if is_healthy else "starting",
        is_healthy=is_healthy,
        actions=tidy if is_ready else (),
        reason=case.trail.problem if is_waiting else _beside(bridge),
        wake_at=ready if is_waiting else _wake_at(case, current),
    )


def _is_healthy(case: Case, current: Container) -> bool:
    if case.replica.workload.health is not None:
        return case.verdict == "healthy"
    return _is_followed(case, current) and case.now >= backoff.steady_at(case.trail)


def _is_followed(case: Case, current: Container) -> bool:
    """Return whether the trail is of this life: not yet while a chain starts it."""
    return case.trail.life == current.life


def _beside(bridge: Container | None) -> str:
    return f"revision {bridge.version} serves until it is healthy" if bridge else ""


def _tidy(case: Case, bridge: Container | None) -> tuple[Action, ...]:
    """Return what a container that runs still lacks, or has too much of."""
    others = (each for each in case.others if each is not bridge)
    gone = [leave(each, "replaced", case.provided) for each in others]
    return (*(action for actions in gone for action in actions), *_provide(case))


def _restart(current: Container, version: int) -> tuple[Action, ...]:
    slot, container = current.slot, current.id
    # A process that does not answer its probe may not answer its stop signal either.
    kill = Stop(slot=slot, container=container, reason="unhealthy", is_immediate=True)
    start = Start(slot=slot, container=container, version=version, reason="unhealthy")
    return (kill, start)


def _wake_at(case: Case, current: Container) -> float | None:
    """Return when the run counts as steady, or a good one, if that changes anything."""
    steady_at = backoff.steady_at(case.trail)
    if case.replica.workload.health is None and case.now < steady_at:
        return steady_at if _is_followed(case, current) else None
    return case.trail.since + backoff.GOOD_RUN if case.trail.failures else None


def _not_running(case: Case) -> Step:
    current = case.current
    if current is not None:
        until = backoff.patience_until(case.trail, current)
        if until is not None:
            reason = f"{backoff.ending(current)}: waiting for Podman's own repair"
            wake_at = min(until, case.now + LOOK_AGAIN)
            return Step(state="starting", reason=reason, wake_at=wake_at)
        if current.state in PASSING and current.is_alive:
            wake_at = case.now + LOOK_AGAIN
            return Step(state="stopping", reason=current.state, wake_at=wake_at)
    if case.now < backoff.ready_at(case.trail):
        return _pausing(case)
    return Step(state="starting", reason=case.trail.problem, actions=_bring_up(case))


def _bring_up(case: Case) -> tuple[Action, ...]:
    """Return the way from whatever is there to the wanted container, running."""
    reason = _why(case)
    in_the_way = () if case.kept else _in_the_way(case)
    made = () if case.kept else _make(case, in_the_way, reason)
    container = case.kept.id if case.kept else case.name
    staying = (*in_the_way, case.bridge)
    rest = [each for each in case.others if each not in staying]
    return (
        *made,
        *_stops(rest, reason),
        *_provide(case, is_new=bool(made)),
        Start(
            slot=case.replica.slot,
            container=container,
            version=case.replica.version,
            reason=reason,
        ),
        *_removals(rest, reason, case.provided),
    )


def _in_the_way(case: Case) -> tuple[Container, ...]:
    """Return what has to go before the container can be made: a taken name, a wreck.

    A wreck may still hold its ports, by rules that Podman set for it.
    """
    taken = tuple(each for each in case.others if each.name == case.name)
    return (*taken, case.current) if case.current else taken


def _make(
    case: Case, in_the_way: Iterable[Container], reason: str
) -> tuple[Action, ...]:
    """Return how the container is created, and what goes before it."""
    gone = [leave(each, reason, case.provided) for each in in_the_way]
    create = Create(replica=case.replica, container=case.name, reason=reason)
    return (*(action for actions in gone for action in actions), create)


def _why(case: Case) -> str:
    if case.trail.problem:
        return case.trail.problem
    if case.others:
        return f"revision {case.replica.version} replaces what runs"
    return "not running" if case.current else "assigned"


def _provide(case: Case, *, is_new: bool = False) -> tuple[Action, ...]:
    wanted = case.replica.secrets
    if not case.replica.workload.secrets or case.replica.waits_for:
        return ()
    if not is_new and case.provided.get(case.name) == wanted:
        return ()
    reason = "new values" if case.provided.get(case.name) else "not in memory"
    return (Provide(replica=case.replica, container=case.name, reason=reason),)


def _stops(containers: Iterable[Container], reason: str) -> tuple[Action, ...]:
    return tuple(
        Stop(slot=each.slot, container=each.id, reason=reason)
        for each in containers
        if each.is_running
    )


def _removals(
    containers: Iterable[Container], reason: str, provided: Mapping[str, str]
) -> tuple[Action, ...]:
    actions: list[Action] = []
    for each in containers:
        actions.append(Remove(slot=each.slot, container=each.id, reason=reason))
        if each.name in provided:
            actions.append(Wipe(container=each.name, reason=reason))
    return tuple(actions)


def _pausing(case: Case) -> Step:
    seconds = backoff.pause(case.trail.failures)
    return Step(
        state="backing-off",
        reason=f"{case.trail.problem}; trying again after {seconds:.0f} s",
        wake_at=backoff.ready_at(case.trail),
    )


def _blocked(case: Case) -> Step | None:
    """Return the waiting for a port that a neighbour holds, None if none does.

    What has to go in this slot goes already, if the neighbour will go too: two replicas
    that swap ports must not wait for each other.
    """
    for neighbour in case.neighbours:
        port = _shared_port(case.replica.workload.ports, neighbour.ports)
        if port is None:
            continue
        reason = f"host port {port.host}/{port.protocol} is held by {neighbour.slot}"
        is_going = neighbour.id in case.going
        stops = _stops(case.others, reason) if is_going else ()
        return Step(state="waiting", reason=reason, actions=stops)
    return None


def _shared_port(wanted: Iterable[Port], held: Iterable[Port]) -> Port | None:
    taken = tuple(held)
    for port in wanted:
        if any(_collides(port, other) for other in taken):
            return port
    return None


def _collides(one: Port, other: Port) -> bool:
    if (one.host, one.protocol) != (other.host, other.protocol):
        return False
    addresses = {one.address, other.address}
    return len(addresses) == 1 or not addresses.isdisjoint(WILDCARDS)
