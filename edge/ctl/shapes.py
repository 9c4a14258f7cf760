"""What the hub answers, as far as edgectl reads it; fields it does not know pass by.

Not signed, so for showing only. Documents are judged in `edge.ctl.view` instead.
"""

from typing import Any

import msgspec

from edge.names import FACT_PREFIX


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


class Nodes(Answer, frozen=True):
    """One page of devices, each as the hub spelled it."""

    nodes: tuple[msgspec.Raw, ...] = ()
    next: str | None = ""


class NodeRow(Answer, frozen=True):
    """One device; the first eight fields are `edgectl get nodes -o json`."""

    name: str
    id: str
    site: str
    labels: dict[str, str]
    state: str
    address: str | None = None
    revisions: dict[str, int] | None = None
    last_seen: float | None = None


class Replicas(Answer, frozen=True):
    """All replicas the hub knows of."""

    replicas: tuple[msgspec.Raw, ...] = ()


class ReplicaRow(Answer, frozen=True):
    """One replica, as in `edgectl ps -o json`."""

    deployment: str
    workload: str
    replica: str
    revision: int
    node: str
    site: str
    state: str
    healthy: bool
    address: str | None = None
    since: float | None = None


class Expected(Answer, frozen=True):
    """A replica the hub wants somewhere."""

    slot: str
    node: str


class Status(Answer, frozen=True):
    """How a deployment stands."""

    name: str
    version: int
    digest: str = ""
    expected: tuple[Expected, ...] = ()
    unplaced: tuple[Any, ...] = ()
    replicas: tuple[dict[str, Any], ...] = ()


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


def operators_labels(labels: dict[str, str]) -> dict[str, str]:
    """Return the labels an operator gave, without what the device says of itself."""
    return {
        key: value for key, value in labels.items() if not key.startswith(FACT_PREFIX)
    }
