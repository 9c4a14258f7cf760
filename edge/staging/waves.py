"""Which wave a device is in, and how many may change at once: the same on every party.

A device's *lot* is a number below 10,000 that follows from its name and the
deployment's, so nobody chooses it and everybody can check it. A wave with a share of
2,500 holds the devices whose lot is below 2,500, those of earlier waves included.
"""

import hashlib
from collections.abc import Callable
from itertools import pairwise

from edge.staging.shapes import WHOLE, Limit, Rollout, Wave


def lot(deployment: str, node: str) -> int:
    """Return the device's place in the order of the deployment, 0 to 9,999."""
    drawn = hashlib.sha256(f"{deployment}\n{node}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") % WHOLE


def wave_of(deployment: str, rollout: Rollout, node: str) -> int:
    """Return the first wave that names the device, or whose share its lot is below.

    Waves are counted from 0. Everybody is in the last one at the latest.
    """
    own = lot(deployment, node)
    held = (
        index
        for index, wave in enumerate(rollout.waves)
        if node in wave.nodes or own < wave.share
    )
    return next(held, len(rollout.waves) - 1)


def finder(deployment: str, rollout: Rollout) -> Callable[[str], int]:
    """Return what answers `wave_of` for many devices: it reads the names once."""
    last = len(rollout.waves) - 1
    named: dict[str, int] = {}
    for index, wave in enumerate(rollout.waves):
        for node in wave.nodes:
            named.setdefault(node, index)
    shares = [(index, wave.share) for index, wave in enumerate(rollout.waves)]

    def find(node: str) -> int:
        own = lot(deployment, node)
        held = (index for index, share in shares if own < share)
        return min(named.get(node, last), next(held, last))

    return find


def allowed(limit: Limit, count: int) -> int:
    """Return how many of ``count`` replicas the limit lets be unavailable.

    A share is rounded down, though never to nothing: the change must be able to begin.
    """
    if not limit.share:
        return limit.count
    return max(1, count * limit.share // WHOLE)


def problem(rollout: Rollout) -> str:
    """Return why nobody could follow the rollout, a sentence, or "".

    Its window is judged by `edge.staging.windows.problem`.
    """
    return (
        _wave_problem(rollout.waves)
        or _limit_problem(rollout)
        or _time_problem(rollout)
    )


def _wave_problem(waves: tuple[Wave, ...]) -> str:
    if waves[-1].share != WHOLE:
        return "the last wave is not the whole fleet (a share of 10,000)"
    for number, (before, wave) in enumerate(pairwise(waves), start=2):
        if before.share == WHOLE:
            return f"wave {number - 1} is the whole fleet, nothing is left for {number}"
        if wave.share < before.share:
            return (
                f"the share falls from {before.share} in wave {number - 1} "
                f"to {wave.share} in wave {number}"
            )
    return _empty_wave(waves)


def _empty_wave(waves: tuple[Wave, ...]) -> str:
    share, named = 0, set[str]()
    for number, wave in enumerate(waves, start=1):
        if wave.share == share and named.issuperset(wave.nodes):
            return f"wave {number} adds no device"
        share, named = wave.share, named.union(wave.nodes)
    return ""


def _limit_problem(rollout: Rollout) -> str:
    limit = rollout.max_unavailable
    if limit.count and limit.share:
        return "max_unavailable is a count and a share at once"
    if rollout.order == "stop-first" and not (limit.count or limit.share):
        return "max_unavailable is 0, but stop-first makes each replica unavailable"
    return ""


def _time_problem(rollout: Rollout) -> str:
    if rollout.healthy_for >= rollout.progress_deadline:
        return (
            f"healthy_for ({rollout.healthy_for:g} s) must be shorter than "
            f"progress_deadline ({rollout.progress_deadline:g} s)"
        )
    return ""
