"""What enrolment decides beyond `edge.trust`: certificates, clones, who used a token.

- A certificate is issued again for the same key only in the second half of its life:
  a device that asks over and over gets the same one.
- A subject holds at most `CERTIFICATES_MAX` at a time, so that a revocation list stays
  small whatever a stolen device asks for.
- The same key on two machines shows itself: a report that was overtaken, by an instance
  of the daemon nobody saw before, or by one that goes on counting although a later one
  started. A late copy of an old report is by one that was seen, and says nothing new.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.documents import Report
from edge.trust import Ledger
from edge.trust.devices import VIEWER_PREFIX

REUSED_FOR = 0.5
"""Part of its life in which a certificate is handed out again. Devices ask at two
thirds, by a clock that may be wrong."""
CERTIFICATES_MAX = 8
Counter = tuple[int, int]
"""A report's boot and sequence number."""
INSTANCES_MAX = 16
"""Starts of a daemon remembered for each device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate the hub's CA signed; times are seconds since the epoch."""

    serial: int
    subject: str
    key: str
    """The raw public key in it, base64url."""
    issued_at: float
    not_after: float
    pem: bytes


def reusable(issued: Iterable[Issued], key: str, now: float) -> Issued | None:
    """Return a certificate for ``key`` that is still in the first part of its life."""
    fresh = [each for each in issued if each.key == key and not _is_due(each, now)]
    return max(fresh, key=lambda each: each.not_after, default=None)


def is_full(issued: Iterable[Issued], now: float) -> bool:
    """Return whether a subject has as many certificates as it may have."""
    return sum(each.not_after > now for each in issued) >= CERTIFICATES_MAX


def revoked_serials(
    issued: Mapping[str, Sequence[Issued]], ledger: Ledger, now: float
) -> frozenset[int]:
    """Return what the revocation list must name: certificates still in their time."""
    return frozenset(
        each.serial
        for subject, certificates in issued.items()
        if is_revoked(subject, ledger)
        for each in certificates
        if each.not_after > now
    )


def is_revoked(subject: str, ledger: Ledger) -> bool:
    """Return whether a subject's device was revoked; dashboards are not devices."""
    if subject.startswith(VIEWER_PREFIX):
        return False
    return ledger.is_revoked(ledger.names.get(subject, ""))


def revoked_names(ledger: Ledger) -> tuple[str, ...]:
    """Return the names of revoked devices, sorted."""
    return tuple(sorted(name for name in ledger.names if is_revoked(name, ledger)))


def alarm(
    report: Report,
    newest: Report,
    instances: Iterable[str],
    last: Counter | None = None,
) -> str | None:
    """Return what to tell people of a report that was overtaken, None if harmless.

    ``instances`` are the daemon starts of this device that were accepted before;
    ``last`` is the newest counter heard of the one that made this report, if known.
    """
    is_news = last is not None and (report.boot, report.seq) > last
    if report.instance in instances and not is_news:
        return None
    late, held = (f"{each.boot}.{each.seq}" for each in (report, newest))
    return (
        f"{report.node} reports from two machines: {late} came after {held}, from "
        "another start of the daemon; its key was copied or its disk restored: "
        "revoke it and enrol it anew"
    )


def remembered(instances: tuple[str, ...], instance: str) -> tuple[str, ...]:
    """Return the instances with a new one, the oldest forgotten."""
    if instance in instances:
        return instances
    return (*instances, instance)[-INSTANCES_MAX:]


def vouchers(ledger: Ledger) -> tuple[dict[str, object], ...]:
    """Return every voucher with how often it was used, for display."""
    revoked = frozenset(ledger.revocation.vouchers if ledger.revocation else ())
    return tuple(
        {
            "id": each.id,
            "site": each.site,
            "labels": each.labels,
            "uses": each.uses,
            "used": len(ledger.uses.get(each.id, ())),
            "opens_at": each.opens_at,
            "closes_at": each.closes_at,
            "approve": each.approve,
            "revoked": each.id in revoked,
        }
        for each in sorted(ledger.vouchers.values(), key=lambda each: each.id)
    )


def _is_due(issued: Issued, now: float) -> bool:
    life = issued.not_after - issued.issued_at
    return now >= issued.issued_at + REUSED_FOR * life
