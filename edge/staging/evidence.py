"""What opens a wave: signed reports of devices of the waves before.

A hub can hide a report, it cannot invent one. So a device of a later wave believes that
the version works when enough devices say so themselves: of the devices a wave names,
half, at most `PROOFS_MAX`; of a wave that is only a share, one.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from edge.documents.voices import Report
from edge.staging.shapes import Rollout
from edge.staging.waves import finder, lot

PROOFS_MAX = 5
BAD_MAX = 2


class Seen(NamedTuple):
    """What one device says of one version of a deployment."""

    node: str
    proved: bool = False
    bad: bool = False


def seen(report: Report, deployment: str, version: int) -> Seen | None:
    """Return what the report says of the version, or None if nothing yet.

    A version that is bad for one of a device's replicas did not prove itself there.
    """
    bad = any(
        failure.deployment == deployment and failure.version == version
        for failure in report.failures
    )
    proved = any(
        status.proved and status.deployment == deployment and status.version == version
        for status in report.replicas
    )
    if not (bad or proved):
        return None
    return Seen(node=report.node, proved=proved and not bad, bad=bad)


def needed(deployment: str, rollout: Rollout, wave: int) -> int:
    """Return how many devices must have proved the version before ``wave`` opens."""
    if wave <= 0:
        return 0
    named = _named(deployment, rollout, wave - 1)
    return min(PROOFS_MAX, (len(named) + 1) // 2) or 1


def is_enough(
    deployment: str, rollout: Rollout, wave: int, seen: Iterable[Seen]
) -> bool:
    """Return whether a device of ``wave`` may change, by what others proved."""
    counts_from = _counting(deployment, rollout, wave)
    proved = {each.node for each in seen if each.proved}
    counted = [node for node in proved if counts_from(node) >= 0]
    return len(counted) >= needed(deployment, rollout, wave)


def pick(
    deployment: str, rollout: Rollout, wave: int, seen: Iterable[Seen]
) -> tuple[str, ...]:
    """Return whose reports go with an assignment to a device of ``wave``.

    First at most `BAD_MAX` where the version is bad: they let it go back. Then as many
    as `needed` and one to spare, at most `PROOFS_MAX`. Of the nearest wave first, and
    there the smallest lots, so that the same ones are sent again.
    """
    known = sorted(seen, key=lambda each: (lot(deployment, each.node), each.node))
    bad = [each.node for each in known if each.bad][:BAD_MAX]
    if wave <= 0:
        return tuple(bad)
    counts_from = _counting(deployment, rollout, wave)
    from_wave = {each.node: counts_from(each.node) for each in known if each.proved}
    nearest = sorted(from_wave, key=lambda node: -from_wave[node])
    counted = [node for node in nearest if from_wave[node] >= 0]
    limit = min(PROOFS_MAX, needed(deployment, rollout, wave) + 1)
    return (*bad, *counted[:limit])


def _counting(deployment: str, rollout: Rollout, wave: int) -> Callable[[str], int]:
    """Return what says for which wave before ``wave`` a device's proof counts, or -1.

    Where the wave before names devices, it is only those. A share may hold nobody at
    all in a small fleet, so there any earlier device counts.
    """
    find = finder(deployment, rollout)
    named = _named(deployment, rollout, wave - 1)

    def counts_from(node: str) -> int:
        own = find(node)
        return own if own < wave and (not named or node in named) else -1

    return counts_from


def _named(deployment: str, rollout: Rollout, wave: int) -> frozenset[str]:
    """Return whom the wave names and no earlier one holds."""
    names = rollout.waves[wave].nodes if wave < len(rollout.waves) else ()
    find = finder(deployment, rollout) if names else None
    return frozenset(name for name in names if find and find(name) == wave)
