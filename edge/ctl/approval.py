"""Which devices an operator's word may be given to in bulk, and that word itself.

The chain root → operator → voucher → member says that a device holds the join key. A
leaked seed can do that too, so secrets need a `node` document on top. In bulk it is
given only to a device that

- joined by a voucher this machine saw open when it first saw the device,
- of which no more devices joined than it allows (a leak shows as one too many),
- and that was not revoked.

Any other is named with the reason, for a person to approve by name.
"""

from collections.abc import Iterable, Mapping

import msgspec

from edge.documents import Node, Scheduling, Voucher
from edge.errors import ConfigError
from edge.names import LABEL_KEY, is_label
from edge.trust import Enrolled, Ledger

LABEL_RULE = "write key=value in letters, digits, '.', '_', '-' (and '/' in keys)"


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A member as an operator's word describes it, or will by default."""

    enrolled: Enrolled
    site: str
    labels: Mapping[str, str]
    node: Node | None
    """The operator's newest word, None before there is one."""

    @property
    def name(self) -> str:
        """Return the node's name."""
        return self.enrolled.member.name

    @property
    def id(self) -> str:
        """Return the device's id."""
        return self.enrolled.member.device


def devices(ledger: Ledger) -> tuple[Device, ...]:
    """Return the members that were not revoked, by name."""
    found = (
        _device(ledger, each)
        for each in ledger.members.values()
        if not ledger.is_revoked(each.member.device)
    )
    return tuple(sorted(found, key=lambda device: device.name))


def refusal(
    device: Device, ledger: Ledger, first_seen: Mapping[str, float], now: float
) -> str | None:
    """Return why a device is not approved in bulk, None when it may be."""
    voucher = ledger.vouchers[device.enrolled.member.voucher]
    joined = len(ledger.uses.get(voucher.id, ()))
    if joined > voucher.uses:
        return (
            f"{joined} devices joined by token {voucher.id}, "
            f"which was good for {voucher.uses}: it may have leaked"
        )
    seen = first_seen.get(device.id, now)
    if not voucher.opens_at <= seen < voucher.closes_at:
        return f"this machine first saw it after token {voucher.id} had closed"
    return None


def word(device: Device, version: int, scope: str, now: float) -> Node:
    """Return the first or next word on a device by an operator of ``scope``.

    Site, labels and scheduling are as they were.
    """
    return Node(
        fleet=device.enrolled.member.fleet,
        name=device.name,
        device=device.id,
        version=version,
        member=device.enrolled.digest,
        site=device.site,
        issued_at=now,
        labels=dict(device.labels),
        scheduling=device.node.scheduling if device.node else "active",
        scope=scope,
    )


def scheduled(node: Node, scheduling: Scheduling) -> Node:
    """Return the word with another scheduling."""
    return msgspec.structs.replace(node, scheduling=scheduling)


def labelled(node: Node, changes: Iterable[str]) -> Node:
    """Return the word with labels set (``key=value``) and removed (``key-``)."""
    labels = dict(node.labels)
    for change in changes:
        if change.endswith("-") and LABEL_KEY.fullmatch(change[:-1]):
            labels.pop(change[:-1], None)
        else:
            labels.update(parse_labels([change]))
    return msgspec.structs.replace(node, labels=labels)


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Return the labels people typed; raise `ConfigError` for what is none."""
    labels: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not is_label(key, value):
            problem = f"cannot use the label {text!r}: {LABEL_RULE}"
            hint = "; fact. labels are the device's own" if "fact." in key else ""
            raise ConfigError(problem + hint)
        if key in labels:
            raise ConfigError(f"cannot set the label {key!r} twice")
        labels[key] = value
    return labels


def _device(ledger: Ledger, enrolled: Enrolled) -> Device:
    node = ledger.nodes.get(enrolled.member.device)
    said: Node | Voucher = node or ledger.vouchers[enrolled.member.voucher]
    return Device(enrolled=enrolled, site=said.site, labels=said.labels, node=node)
