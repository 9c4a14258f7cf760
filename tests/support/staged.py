"""A hub's memory with a rollout in it, decided step by step, for tests of the hub."""

from typing import Any

from edge.documents import Deployment, Document
from edge.model import Failure, ReplicaStatus, SealedText
from edge.staging.shapes import Limit, Rollout, Wave
from edge.trust import Accepted, judge
from hub import decision
from hub.decision import Decision
from hub.fleet import Presence
from hub.staging import Course
from hub.state import State
from tests.support import builders
from tests.support.builders import HUB, NOW, Device, empty_ledger, enrolled, signed

DEVICES = N1, N2, N3 = tuple(Device(f"n{n}") for n in (1, 2, 3))
EVERYWHERE = builders.workload(every="*")
LIMITS = Rollout(
    strategy="canary",
    waves=(Wave(nodes=("n1",)), Wave(share=10_000)),
    max_unavailable=Limit(count=5),
)


def version(number: int, *, fallback: int = 0, **changes: Any) -> Deployment:
    """A version of ``web``, under a rollout if there is a version to go back to."""
    told = {"workloads": (EVERYWHERE,), "fallback": fallback, **changes}
    limits = LIMITS if fallback else None
    return builders.deployment(version=number, **{"rollout": limits, **told})


class Hub:
    """A hub that knows n1, n2 and n3, by default with version 1 everywhere."""

    def __init__(self, first: Deployment | None = None) -> None:
        self.now = NOW
        self.state = State(hub=HUB.public, ledger=empty_ledger())
        self._seq = dict.fromkeys(DEVICES, 0)
        for each in enrolled(*DEVICES):
            self._take(each)
        for device in DEVICES:
            self.report(device)
        self.take(first or version(1))
        self.decide()
        self.run(1)

    def take(self, document: Document) -> None:
        """Believe what an operator signed."""
        self._take(signed(document))

    def report(self, device: Device, *replicas: ReplicaStatus, **changes: Any) -> None:
        """Hear a device say how it is doing."""
        self._seq[device] += 1
        report = builders.report(
            device, self._seq[device], replicas=replicas, **changes
        )
        self._take(signed(report))
        self.state.hear(report, self.now, None)

    def run(self, number: int, *devices: Device, **changes: Any) -> None:
        """Hear devices say that they run a version of what they are assigned."""
        for device in devices or DEVICES:
            assigned = self.state.assignments.get(device.id)
            places = assigned.replicas if assigned else ()
            statuses = (
                builders.status(each.slot, number, term=each.term, **changes)
                for each in places
            )
            self.report(device, *statuses)

    def prove(self, number: int, *devices: Device) -> None:
        """Hear devices say that a version proved itself there."""
        self.run(number, *devices, proved=True)

    def fail(self, number: int, device: Device, back: int = 1) -> None:
        """Hear a device say that a version failed there, and it went back."""
        (place, *_) = self.state.assignments[device.id].replicas
        failure = Failure(
            slot=place.slot,
            deployment=place.deployment,
            version=number,
            reason="it exits",
            sealed_log=SealedText(box="last words", keys={}),
        )
        status = builders.status(place.slot, back, term=place.term)
        self.report(device, status, failures=(failure,))

    def away(self, device: Device) -> None:
        """Let the broker say that a device is gone."""
        self.state.presence[device.id] = Presence(is_online=False, at=self.now)

    def here(self, device: Device) -> None:
        """Let the broker say that a device is back."""
        self.state.presence[device.id] = Presence(is_online=True, at=self.now)

    def decide(self, after: float = 1.0) -> Decision:
        """Let time pass; decide, sign and remember."""
        self.now += after
        made = decision.decide(self.state, self.now)
        documents = [decision.sign(each, HUB) for each in made.documents]
        decision.apply(self.state, made, documents)
        return made

    @property
    def course(self) -> Course:
        """The rollout of ``web`` as it was last decided."""
        return self.state.courses["web"]

    @property
    def phase(self) -> str:
        """How it stands."""
        return self.course.stage.memory.phase

    def assigned(self) -> dict[str, dict[str, int]]:
        """What each device is assigned: replica and version."""
        return {
            each.node: {
                place.slot.partition("/")[2]: place.version for place in each.replicas
            }
            for each in sorted(
                self.state.assignments.values(), key=lambda each: each.node
            )
        }

    def versions(self) -> list[int]:
        """The version assigned to each device, of one replica each."""
        return [
            version for each in self.assigned().values() for version in each.values()
        ]

    def _take(self, data: bytes) -> None:
        verdict = judge(data, self.state.ledger, self.now)
        assert isinstance(verdict, Accepted), verdict
        self.state.take(verdict)


def rolling() -> Hub:
    """Version 2 is on its way, and the canary is to run it."""
    hub = Hub()
    hub.take(version(2, fallback=1))
    hub.decide()
    return hub


def opened() -> Hub:
    """The canary proved version 2, and everybody is to run it."""
    hub = rolling()
    hub.prove(2, N1)
    hub.decide()
    return hub


def failed() -> Hub:
    """Version 2 failed on n3 after the canary had proved it; n2 runs it well."""
    hub = opened()
    hub.run(2, N2)
    hub.fail(2, N3)
    hub.decide()
    return hub
