"""A small fleet of real hub and devices in virtual time, for tests of rollouts."""

from collections.abc import Callable
from functools import partial

from edge import documents
from edge.documents import Deployment, Document
from edge.model import Workload
from edge.sim import fleet
from edge.sim.scenario import Scenario
from edge.sim.world import World
from edge.staging.shapes import Limit, Rollout, Wave
from hub.stage import Unit
from tests.support import builders

LIMITS = Rollout(
    strategy="canary",
    waves=(Wave(nodes=("n2",)), Wave(nodes=("n1", "n3")), Wave(share=10_000)),
    max_unavailable=Limit(count=2),
    healthy_for=5.0,
    progress_deadline=120.0,
)
WEB = builders.workload(every="*")
SETTLED = 30.0
"""Seconds after which version 1 runs everywhere."""


class Shop:
    """Two sites with three devices each, which run ``web`` everywhere."""

    def __init__(self, seed: int = 1, workload: Workload = WEB) -> None:
        scenario = Scenario(
            seed=seed,
            sites={"north": 3, "south": 3},
            deployments={"web": (workload,)},
            lasts=1_000.0,
        )
        self.workload = workload
        self.world = World(scenario=scenario)
        self.world.run(SETTLED)

    def deploy(
        self,
        version: int,
        fallback: int,
        limits: Rollout | None = LIMITS,
        workloads: tuple[Workload, ...] = (),
    ) -> None:
        """Sign and hand in a next version, by default of the same workload."""
        document = Deployment(
            fleet=fleet.FLEET,
            name="web",
            version=version,
            issued_at=fleet.EPOCH,
            workloads=workloads or (self.workload,),
            rollout=limits,
            fallback=fallback,
        )
        self.world.watch.signed["web", version] = document
        self.post(document)

    def say(self, action: str, version: int, target: int, wave: int = 0) -> None:
        """Sign and hand in a word on it."""
        word = builders.control(
            "web",
            version,
            fleet=fleet.FLEET,
            issued_at=fleet.EPOCH,
            action=action,
            target=target,
            wave=wave,
        )
        self.post(word)

    def post(self, document: Document) -> None:
        """Hand in what the operator signed."""
        data = documents.sign(document, fleet.signing("operator"))
        assert self.world.hub.post(data) == ""

    def breaks(self, version: int, *names: str, slot: str = "") -> None:
        """Let a version end by itself, everywhere or on these devices."""
        for name, node in self.world.nodes.items():
            for each, held in list(node.containers.running.items()):
                is_meant = (not names or name in names) and slot in {"", each}
                if held.version == version and is_meant:
                    node.containers.crash(each)
        again = partial(self.breaks, version, *names, slot=slot)
        self.world.kernel.after(0.5, again)

    def versions(self) -> dict[str, list[int]]:
        """Return what runs on each device."""
        return {
            name: [each.version for each in node.containers.running.values()]
            for name, node in sorted(self.world.nodes.items())
        }

    def count(self, version: int) -> int:
        """Return how many copies of a version run."""
        return sum(version in each for each in self.versions().values())

    def phase(self) -> str:
        """Return how the hub sees it."""
        return self.world.hub.state.courses["web"].stage.memory.phase

    def units(self) -> tuple[Unit, ...]:
        """Return the replicas as the hub sees them."""
        return self.world.hub.state.courses["web"].fleet.units

    def wave(self) -> int:
        """Return which wave is open, counted from 0."""
        return self.world.hub.state.courses["web"].stage.memory.wave

    def forget(self) -> None:
        """Restart the hub with nothing but documents and reports."""
        self.world.hub.state.rollouts.clear()
        self.world.hub.state.evidence.clear()
        self.world.hub.restart()
        self.world.hub.decide()

    def until(self, is_there: Callable[[], bool], within: float = 300.0) -> float:
        """Let time pass until something is so; return how long it took."""
        began = self.world.kernel.now
        while not is_there():
            if self.world.kernel.now >= began + within:
                raise AssertionError(self.told())
            self.world.run(self.world.kernel.now + 0.5)
        return self.world.kernel.now - began

    def told(self) -> str:
        """Return what the hub said of rollouts, a line each."""
        said = [each for each in self.world.trace.lines if each.kind == "rollout"]
        return "\n".join(f"{each.at:.1f} {each.text}" for each in said)
