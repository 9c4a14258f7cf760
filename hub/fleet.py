"""What the hub knows of each device, folded from documents, reports and hints.

- Site and labels are the operator's word: the node document's, before there is one the
  voucher's. What a device says of itself only ever appears under ``fact.``.
- The state is the first that applies: revoked, pending (its voucher waits for an
  operator), offline, drained, cordoned, ready.
- Offline means: it never reported, its last will says so, it is silent for longer than
  the slowest uplink profile allows, or it did not return to a restarted broker. The
  first three words of a broker are hints; nothing is ever taken away because of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from edge.documents import Member, Node, Report, Scheduling
from edge.model import Facts, Neighbour
from edge.names import NodeName, SiteName
from edge.placement import NodeView, facts_labels
from edge.trust import Ledger

SILENT_FOR_MAX = 25 * 3600.0
"""Seconds: a metered uplink reports once a day, and may be an hour late."""
RETURN_WITHIN = 60.0
"""Seconds for a device to come back to a broker that started anew; devices try
again within 5 s, a loaded broker takes a while to shake 10,000 hands."""

NodeState = Literal["revoked", "pending", "offline", "drained", "cordoned", "ready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The newest report of a device; ``facts`` are the last it ever told."""

    report: Report
    at: float
    """When the hub took it in, by the hub's clock."""
    facts: Facts | None = None
    doubts: tuple[Neighbour, ...] = ()
    """The neighbours in its report that are not alive for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What the broker lets us guess: the last live word, and whether it was a will."""

    is_online: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One member of the fleet, as of now."""

    name: NodeName
    device: str
    site: SiteName
    labels: Mapping[str, str]
    """What the operator gave it."""
    facts_labels: Mapping[str, str]
    scheduling: Scheduling
    is_approved: bool
    """Whether it may run anything."""
    is_revoked: bool
    is_reporting: bool
    heard: Heard | None
    last_seen: float
    """Seconds since the epoch by the hub's clock, 0.0 for never."""

    @property
    def state(self) -> NodeState:
        """Return the one word for it."""
        if self.is_revoked:
            return "revoked"
        if not self.is_approved:
            return "pending"
        if not self.is_reporting:
            return "offline"
        if self.scheduling == "active":
            return "ready"
        return self.scheduling

    @property
    def all_labels(self) -> dict[str, str]:
        """Return its labels, ``fact.`` ones included."""
        return {**self.labels, **self.facts_labels}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Everything the hub heard, apart from signed documents that stay."""

    heard: Mapping[str, Heard] = field(default_factory=dict)
    """By device id."""
    presence: Mapping[str, Presence] = field(default_factory=dict)
    """By device id."""
    broker_since: float = 0.0
    """When the broker last began with nobody connected; 0.0 when unknown."""
    listens_since: float = 0.0
    """When the hub began to listen; infinite while it does not, 0.0 for always."""


def take_in(report: Report, at: float, facts: Facts | None) -> Heard:
    """Return what is remembered of a report; ``facts`` are the last it told."""
    doubts = tuple(each for each in report.neighbours if each.state != "alive")
    return Heard(report=report, at=at, facts=facts, doubts=doubts)


def fold(ledger: Ledger, signals: Signals, now: float) -> dict[NodeName, Standing]:
    """Return every member that joined, by name, in the order of names."""
    standings = (
        _standing(ledger, enrolled.member, signals, now)
        for enrolled in ledger.members.values()
    )
    return {each.name: each for each in sorted(standings, key=lambda each: each.name)}


def known_at(ledger: Ledger, signals: Signals) -> float:
    """Return when it is known who is there, 0.0 if it is already.

    A hub that started anew takes everybody for online whose last report is young. Who
    is away is told by last wills, or by not returning.
    """
    since = signals.listens_since
    silent = (
        device
        for device in signals.heard
        if not ledger.is_revoked(device) and not _is_told(signals, device, since)
    )
    return since + RETURN_WITHIN if since and any(silent) else 0.0


def standing_of(
    ledger: Ledger, signals: Signals, name: str, now: float
) -> Standing | None:
    """Return one member by name."""
    enrolled = ledger.member_named(name)
    return _standing(ledger, enrolled.member, signals, now) if enrolled else None


def sealed(ledger: Ledger) -> dict[str, frozenset[str]]:
    """Return the names of the secrets that are sealed to each device id."""
    found: dict[str, set[str]] = {}
    for name, recipients in ledger.secrets.items():
        for recipient in recipients:
            found.setdefault(recipient, set()).add(name)
    return {device: frozenset(secrets) for device, secrets in found.items()}


def view(standing: Standing, secrets: frozenset[str]) -> NodeView:
    """Return a member as placement sees it."""
    bare = NodeView(
        name=standing.name,
        site=standing.site,
        labels=standing.all_labels,
        scheduling=standing.scheduling,
        ready=standing.is_approved,
        reporting=standing.is_reporting,
        sealed=secrets,
    )
    facts = standing.heard.facts if standing.heard else None
    if facts is None:
        return bare
    return msgspec.structs.replace(
        bare,
        architecture=facts.architecture,
        memory=facts.memory,
        cpus=facts.cpus,
        devices=facts.devices,
        ports=facts.ports,
    )


def _standing(ledger: Ledger, member: Member, signals: Signals, now: float) -> Standing:
    node = ledger.nodes.get(member.device)
    site, labels, is_approved = _operators_word(ledger, member, node)
    heard = signals.heard.get(member.device)
    presence = signals.presence.get(member.device)
    facts = heard.facts if heard else None
    return Standing(
        name=NodeName(member.name),
        device=member.device,
        site=site,
        labels=labels,
        facts_labels=facts_labels(facts) if facts else {},
        scheduling=node.scheduling if node else "active",
        is_approved=is_approved,
        is_revoked=ledger.is_revoked(member.device),
        is_reporting=_is_reporting(heard, presence, signals.broker_since, now),
        heard=heard,
        last_seen=_last_seen(heard, presence),
    )


def _is_told(signals: Signals, device: str, since: float) -> bool:
    presence = signals.presence.get(device)
    return presence is not None and presence.at >= since


def _operators_word(
    ledger: Ledger, member: Member, node: Node | None
) -> tuple[SiteName, Mapping[str, str], bool]:
    if node is not None:
        return SiteName(node.site), node.labels, True
    voucher = ledger.vouchers[member.voucher]
    return SiteName(voucher.site), voucher.labels, not voucher.approve


def _is_reporting(
    heard: Heard | None, presence: Presence | None, broker_since: float, now: float
) -> bool:
    if heard is None or (presence is not None and not presence.is_online):
        return False
    last = _last_seen(heard, presence)
    is_missing = last < broker_since and now - broker_since > RETURN_WITHIN
    return not is_missing and now - last <= SILENT_FOR_MAX


def _last_seen(heard: Heard | None, presence: Presence | None) -> float:
    live = presence.at if presence is not None and presence.is_online else 0.0
    return max(heard.at if heard else 0.0, live)
