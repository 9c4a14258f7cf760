"""What the hub answers, as far as edgectl reads it; fields it does not know pass by.

Not signed, so for showing only. Documents are judged in `edge.ctl.view` instead.
"""

import msgspec

from edge.model import Facts, SealedText


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
    asks_for: str = ""
    """What a hub restored from a backup lost, and asks devices for."""


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
    reason: str = ""
    """Why it is in that state, where there is something to say."""


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


class Unit(Answer, frozen=True):
    """One replica in a rollout."""

    slot: str
    node: str
    site: str = ""
    wave: int = 0
    """Counted from 1."""
    version: int = 0
    """The one it runs, 0 for none."""
    wanted: int = 0
    state: str = ""
    healthy: bool = False
    proved: bool = False
    """Whether the new version was healthy here for as long as the rollout asks."""
    bad: bool = False
    """Whether the new version failed here."""
    online: bool = True
    reason: str = ""
    log: SealedText | None = None
    """The last lines it wrote before it failed, as the hub has them."""
    last_lines: tuple[str, ...] = ()
    """The same as this operator reads them (`edge.ctl.last_lines`)."""


class Word(Answer, frozen=True):
    """The operators' newest word on a rollout."""

    version: int
    action: str
    target: int


class Stage(Answer, frozen=True):
    """Where the rollout of a deployment's newest version stands."""

    name: str
    version: int
    fallback: int = 0
    strategy: str = ""
    phase: str = "idle"
    wave: int = 0
    """The open one, counted from 1."""
    waves: int = 0
    reason: str = ""
    since: float | None = 0.0
    """When it came to this phase and wave, epoch seconds."""
    deadline: float | None = 0.0
    """When it is given up, epoch seconds; 0 or None for never."""
    unavailable: int = 0
    allowed: int = 0
    control: Word | None = None
    stranded: tuple[str, ...] = ()
    """Devices that no evidence is left for: they change on an operator's word."""
    units: tuple[Unit, ...] = ()


class Revision(Answer, frozen=True):
    """One version of a deployment."""

    version: int
    issued_at: float = 0.0
    deleted: bool = False
    """Whether it is an end of the deployment."""
    is_newest: bool = False
    workloads: int = 0


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
