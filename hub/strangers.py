"""Devices that joined after a backup: they report under names that nobody knows.

The broker let one in, so it has a certificate of this fleet's CA: the hub gave it one
and forgot. Its report cannot be checked before its member document is back, so it is
only a hint whom to ask for it. The report waits here meanwhile, and is heard again.

A machine: times are seconds since the epoch, given by the caller.
"""

from dataclasses import dataclass, field

from edge import documents, envelope
from edge.documents import Report
from edge.errors import WireError
from edge.mqtt import Message

KINDS = ("trust", "revocation", "voucher", "member", "node")
"""What a hub must have to know a device, in the order of judging."""
STRANGERS_MAX = 1_000
STREAMS_MAX = 8  # of one stranger: one of each kind, and vouchers it came by


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A device the hub forgot, by its own word."""

    device: str
    streams: tuple[str, ...]
    report: Message = field(repr=False)
    until: float


@dataclass(slots=True, kw_only=True)
class Strangers:
    """Who is asked who it is, by node name."""

    waiting: dict[str, Stranger] = field(default_factory=dict)
    doubted: dict[str, float] = field(default_factory=dict)
    """Name → until when it is not asked again."""

    def hear(self, node: str, message: Message, until: float, now: float) -> bool:
        """Ask a device that reports under an unknown name; return whether we do."""
        if now < self.doubted.get(node, 0.0) or self._is_full(node):
            return False
        report = report_in(message.payload)
        if report is None or report.node != node or not _streams(report):
            return False
        before = self.waiting.get(node)
        self.waiting[node] = Stranger(
            device=report.device,
            streams=_streams(report),
            report=message,
            until=before.until if before else until,
        )
        return True

    def asked(self, node: str) -> tuple[str, ...]:
        """Return the streams that say who it is."""
        stranger = self.waiting.get(node)
        return stranger.streams if stranger else ()

    def has_met(self, node: str) -> bool:
        """Return whether its question topic may hold something of ours."""
        return node in self.waiting or node in self.doubted

    def answered(self, node: str, doubt_until: float, *, is_known: bool) -> Stranger:
        """Note that it handed in something; one that is still unknown is doubted."""
        if not is_known:
            self.doubted[node] = doubt_until
        return self.waiting.pop(node)

    def settle(self, doubt_until: float, now: float) -> tuple[str, ...]:
        """Doubt who did not answer in time; return their names."""
        over = sorted(n for n, each in self.waiting.items() if now >= each.until)
        for node in over:
            self.answered(node, doubt_until, is_known=False)
        return tuple(over)

    def _is_full(self, node: str) -> bool:
        return node not in self.waiting and len(self.waiting) >= STRANGERS_MAX


def report_in(data: bytes) -> Report | None:
    """Return the report in a message, None for anything else; signatures unchecked."""
    try:
        sealed = envelope.decode(data)
        document = documents.parse(sealed.payload_type, sealed.body)
    except WireError:
        return None
    return document if isinstance(document, Report) else None


def _streams(report: Report) -> tuple[str, ...]:
    """Return what it should hand in: its own documents, if it has who it is."""
    about = {f"member/{report.device}", f"node/{report.device}", "trust", "revocation"}
    listed = [
        each.stream
        for each in report.held
        if each.stream in about or each.stream.startswith("voucher/")
    ]
    if f"member/{report.device}" not in listed:
        return ()
    ordered = sorted(listed, key=lambda each: KINDS.index(each.partition("/")[0]))
    return tuple(ordered[:STREAMS_MAX])
