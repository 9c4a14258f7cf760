"""A simulated daemon's end of the broker: reports, and datagrams for neighbours."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from edge import documents, topics
from edge.errors import StoreError
from edge.model import Neighbour, ReplicaStatus
from edge.names import FleetName, NodeName
from edge.sim import fleet
from edge.sim.broker import Receive, Session
from edge.sim.place import Place
from node.agent import Agent


@dataclass(slots=True, kw_only=True)
class Uplink:
    """What `node.link` is in life."""

    place: Place
    agent: Agent
    receive: Receive
    changed: Callable[[bool], None]
    session: Session = field(init=False)
    _seq: int = 0
    _boot: int = 0

    def __post_init__(self) -> None:
        """Subscribe to what a node reads."""
        name = NodeName(self.place.machine.name)
        self.session = Session(
            place=name,
            topics=topics.for_node(FleetName(fleet.FLEET), name),
            receive=self.receive,
            changed=self.changed,
            will=self._status("offline"),
        )

    def report(
        self, replicas: tuple[ReplicaStatus, ...], neighbours: Iterable[Neighbour]
    ) -> bool:
        """Tell the hub what is true now; return whether it was tried, at least."""
        if not self.session.is_up:
            return True
        if not self._count_start():
            return False
        self._seq += 1
        report = self.agent.report(
            counter=(self._boot, self._seq),
            instance=self.place.names.replace(" ", "-"),
            address=self.place.address(),
            replicas=replicas,
            neighbours=neighbours,
        )
        data = documents.sign(report, self.agent.device.identity.sign)
        topic = topics.report(FleetName(fleet.FLEET), NodeName(self.place.machine.name))
        return self.place.broker.publish(self.session, topic, data, retain=True)

    def _count_start(self) -> bool:
        """Number this start, once the disk takes it."""
        if not self._boot:
            with suppress(StoreError):
                self._boot = self.place.disk.next_boot()
        return self._boot > 0

    def say(self, state: str) -> None:
        """Leave the word that dashboards read."""
        topic, payload = self._status(state)
        self.place.broker.publish(self.session, topic, payload, retain=True)

    def _status(self, state: str) -> tuple[str, bytes]:
        name = NodeName(self.place.machine.name)
        return topics.status(FleetName(fleet.FLEET), name), msgspec.json.encode(
            {"state": state}
        )

    def pass_on(self, device: str, datagram: bytes) -> None:
        """Leave a mesh datagram at the broker."""
        to = self.place.name_of(device)
        if to:
            me = NodeName(self.place.machine.name)
            topic = topics.mesh(FleetName(fleet.FLEET), NodeName(to), me)
            self.place.broker.publish(self.session, topic, datagram, retain=False)
