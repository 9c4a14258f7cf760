"""What the hub answers, as far as edgectl reads it; fields it does not know pass by.

Not signed, so for showing only. Documents are judged in `edge.ctl.view` instead.
"""

import msgspec

from edge.model import Facts


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer; a newer hub may say more."""


class HubWord(Answer, frozen=True):
    """What a hub says of itself before anyone trusts it."""

    key: str
    ca: str
    url: str
    broker: str
    fleet: str = ""
    version: str = ""
    adopted: bool = False


class Result(Answer, frozen=True):
    """What became of one document."""

    result: str
    kind: str = ""
    stream: str = ""
    digest: str = ""
    reason: str = ""
    problem: str = ""
    certificate: str = ""


class Results(Answer, frozen=True):
    """What became of a bundle."""

    results: tuple[Result, ...]


class Problem(Answer, frozen=True):
    """Why a request was refused."""

    reason: str
    problem: str


class Failure(Answer, frozen=True):
    """A refusal."""

    error: Problem


class Challenge(Answer, frozen=True):
    """What an operator signs to read."""

    nonce: str
    hub: str


class Token(Answer, frozen=True):
    """What an answered challenge earns."""

    token: str
    expires_in: float


class Session(Answer, frozen=True):
    """A token as kept in the context's folder."""

    hub: str = ""
    token: str = ""
    expires_at: float = 0.0


class NodeRow(Answer, frozen=True):
    """One device; the first eight fields are `edgectl get nodes -o json`."""

    name: str
    id: str
    site: str
    labels: dict[str, str]
    state: str
    address: str = ""
    revisions: dict[str, int] = {}
    last_seen: float = 0.0
    facts: Facts | None = None
    scheduling: str = "active"
    approved: bool = True
    reporting: bool = True
    sealed: tuple[str, ...] = ()
    voucher: str = ""
    member: str = ""
    node_version: int = 0
    held: dict[str, int] = {}
    alarm: str = ""


class Nodes(Answer, frozen=True):
    """One page of devices."""

    nodes: tuple[NodeRow, ...] = ()
    next: str | None = ""


class ReplicaRow(Answer, frozen=True):
    """One replica; the first ten fields are `edgectl ps -o json`."""

    deployment: str
    workload: str
    replica: str
    revision: int
    node: str
    site: str
    state: str
    healthy: bool
    address: str = ""
    since: float = 0.0
    slot: str = ""
    term: int = 0
    restarts: int = 0
    reason: str = ""
    device: str = ""
    wanted: int = 0


class Replicas(Answer, frozen=True):
    """All replicas the hub knows of."""

    replicas: tuple[ReplicaRow, ...] = ()


class Expected(Answer, frozen=True):
    """A replica the hub wants somewhere."""

    slot: str
    node: str
    term: int = 0


class Unplaced(Answer, frozen=True):
    """A replica without a place, or an ``every`` workload without a device."""

    slot: str = ""
    workload: str = ""
    problem: str = ""


class Status(Answer, frozen=True):
    """How a deployment stands."""

    name: str
    version: int
    digest: str = ""
    deleted: bool = False
    expected: tuple[Expected, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    replicas: tuple[ReplicaRow, ...] = ()


class Event(Answer, frozen=True):
    """Something that was decided or refused."""

    id: int | str
    at: float
    kind: str
    subject: str
    text: str


class Events(Answer, frozen=True):
    """Events, oldest first."""

    events: tuple[Event, ...] = ()


class Counters(Answer, frozen=True):
    """What was refused since the hub started."""

    counters: dict[str, int] = {}
