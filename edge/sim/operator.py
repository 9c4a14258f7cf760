"""The operator: signs the fleet into being, deploys, and names voters."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.documents import Deployment
from edge.model import Workload
from edge.sim import fleet
from edge.sim.hub import Hub
from edge.sim.node import Node
from edge.sim.scenario import Scenario

DEPLOYS_AT = 4.0
"""When the operator deploys: all devices are there by then."""


@dataclass(slots=True, kw_only=True)
class Operator:
    """Whoever holds the keys."""

    scenario: Scenario
    hub: Hub
    nodes: Mapping[str, Node]
    _voters: dict[str, int] = field(default_factory=dict)
    """Site → version of its voters."""

    def introduce(self, signed: dict[tuple[str, int], Deployment]) -> None:
        """Hand in what operators and devices signed before the world began."""
        post = self._post
        post(fleet.trust())
        for site in self.scenario.sites:
            post(fleet.voucher(site))
        for _, node in sorted(self.nodes.items()):
            post(fleet.member(node.name, node.machine.site)[1])
            post(fleet.node(node.machine))
        for site in self.scenario.sites:
            here = [n.name for n in self.nodes.values() if n.machine.site == site]
            self._name_voters(site, self.scenario.voters.get(site, tuple(here)))
        self.hub.kernel.at(DEPLOYS_AT, lambda: self._deploy_all(signed))

    def _deploy_all(self, signed: dict[tuple[str, int], Deployment]) -> None:
        for name, workloads in sorted(self.scenario.deployments.items()):
            document, data = fleet.deployment(name, workloads)
            signed[name, document.version] = document
            self._seal(name, workloads)
            self._post(data)

    def _seal(self, name: str, workloads: tuple[Workload, ...]) -> None:
        """Seal what the workloads ask for to every device."""
        short = sorted({each for one in workloads for each in one.secrets})
        for each in short:
            for node in sorted(self.nodes):
                self._post(fleet.secret(f"{name}/{each}", node))

    def _name_voters(self, site: str, names: tuple[str, ...]) -> None:
        version = self._voters.get(site, 0) + 1
        self._voters[site] = version
        self._post(fleet.voters(site, names, version))

    def change_voters(self, site: str, name: str) -> None:
        """Let a device vote that did not, or not any more, as `edgectl site voters`.

        A majority of those who vote now must hold the version that says so.
        """
        held = self.hub.state.ledger.voters[site]
        names_of = {each.machine.id: name for name, each in self.nodes.items()}
        told = [self._holds(each, held.version) for each in held.voters]
        names = {names_of[each] for each in held.voters} ^ {name}
        if names and 2 * sum(told) > len(told):
            self._name_voters(site, tuple(sorted(names)))

    def _holds(self, device: str, version: int) -> bool:
        """Return whether a device reported a version of its site's voters."""
        heard = self.hub.state.heard.get(device)
        held = heard.report.held if heard else ()
        return any(
            each.stream.startswith("voters/") and each.version >= version
            for each in held
        )

    def _post(self, data: bytes) -> None:
        problem = self.hub.post(data)
        assert not problem, problem  # noqa: S101 - a slip of the simulator's own
