"""A whole world: fleet, hub, broker, wires, and what goes wrong with them.

The same `Scenario` gives the same trace, whatever else this process did before.
"""

from dataclasses import dataclass, field

from edge.sim import fleet
from edge.sim.broker import Broker
from edge.sim.hub import Hub
from edge.sim.kernel import Kernel, Line, Trace
from edge.sim.luck import Luck
from edge.sim.network import Network
from edge.sim.node import Around, Node
from edge.sim.operator import Operator
from edge.sim.runtime import Interval
from edge.sim.scenario import Scenario
from edge.sim.watch import Watch

BOOTS_WITHIN = 1.0
LOOK_EVERY = 10.0


@dataclass(slots=True)
class World:
    """A scenario that is played."""

    scenario: Scenario
    kernel: Kernel = field(init=False)
    trace: Trace = field(default_factory=Trace)
    network: Network = field(init=False)
    broker: Broker = field(init=False)
    hub: Hub = field(init=False)
    around: Around = field(init=False)
    nodes: dict[str, Node] = field(default_factory=dict)
    record: list[Interval] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        """Build everything; nothing happens before `run`."""
        scenario = self.scenario
        self.kernel = Kernel(seed=scenario.seed)
        self.network = Network(
            rng=self.kernel.random("network"), weather=scenario.weather
        )
        self.broker = Broker(
            kernel=self.kernel, network=self.network, rng=self.kernel.random("broker")
        )
        self.hub = Hub(kernel=self.kernel, broker=self.broker, trace=self.trace)
        self._build()
        operator = Operator(scenario=scenario, hub=self.hub, nodes=self.nodes)
        operator.introduce(self.watch.signed)
        rng = self.kernel.random("world")
        for _, node in sorted(self.nodes.items()):
            self.kernel.at(rng.random() * BOOTS_WITHIN, node.boot)
        luck = Luck(
            kernel=self.kernel,
            network=self.network,
            broker=self.broker,
            operator=operator,
            watch=self.watch,
            weather=scenario.weather,
            say=self.say,
        )
        luck.come(scenario.faults, scenario.busy)
        self._look()

    def run(self, until: float | None = None) -> "World":
        """Let time pass."""
        self.kernel.run(self.scenario.lasts if until is None else until)
        return self

    @property
    def slots(self) -> tuple[str, ...]:
        """Return every numbered slot that was asked for."""
        return tuple(
            f"{name}/{each.name}.{index + 1}"
            for name, workloads in sorted(self.scenario.deployments.items())
            for each in workloads
            for index in range(each.replicas)
        )

    def say(self, kind: str, node: str, text: str) -> None:
        """Put something into the timeline."""
        self.trace.add(Line(at=self.kernel.now, kind=kind, node=node, text=text))

    def _build(self) -> None:
        made = fleet.machines(self.scenario.sites, self.scenario.labels)
        self.around = Around(
            kernel=self.kernel,
            network=self.network,
            broker=self.broker,
            trace=self.trace,
            record=self.record,
            names={each.id: each.name for each in made},
        )
        for each in made:
            checked = self.watch.started
            self.nodes[each.name] = Node(
                machine=each, around=self.around, checked=checked
            )

    def _look(self) -> None:
        """Let the watch see everybody, now and then."""
        for _, node in sorted(self.nodes.items()):
            self.watch.look(node)
        self.kernel.after(LOOK_EVERY, self._look)
