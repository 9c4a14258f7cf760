"""The ``[rollout]`` table to a `RolloutDraft`, contradictions refused.

What no fleet could follow is an error here, with its line: waves that do not grow or
do not end with everybody, a limit under which nothing may ever change, a window that
never opens, two copies that would want one port.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

import msgspec

from edge.manifest import parts, scalars
from edge.manifest.drafts import RolloutDraft, WaveDraft
from edge.manifest.fields import Table
from edge.manifest.scalars import wrong
from edge.model import Workload
from edge.staging import crontab, order, windows
from edge.staging.shapes import (
    WHOLE,
    Limit,
    OnFailure,
    Order,
    Rollout,
    Strategy,
    Wave,
    Window,
)

WAVES_MAX = 32  # `edge.staging.shapes.Rollout.waves`
COUNT_MAX = 10_000
HEALTHY_FOR = (0.0, 86_400.0)
PROGRESS_DEADLINE = (1.0, 7 * 86_400.0)
LASTS = (windows.LASTS_MIN, windows.LASTS_MAX)
KEYS = {
    **{field.name: "" for field in msgspec.structs.fields(Rollout)},
    "auto_promote": "waves follow each other; write on_failure to say what stops them",
    "batch_size": "write max_unavailable",
    "canary": 'write strategy = "canary" and waves = ["1", "100%"]',
    "max_parallel": "write max_unavailable",
    "max_surge": "write order and max_unavailable",
    "min_healthy_time": "write healthy_for",
    "parallelism": "write max_unavailable",
}
WINDOW_KEYS = {
    **{field.name: "" for field in msgspec.structs.fields(Window)},
    "cron": "write opens",
    "duration": "write lasts",
    "schedule": "write opens",
    "start": "write opens",
    "timezone": "write zone",
}
STRATEGIES: tuple[Strategy, ...] = ("rolling", "canary", "blue-green", "all-at-once")
ON_FAILURES: tuple[OnFailure, ...] = ("rollback", "pause")
ORDERS: tuple[Order, ...] = ("auto", "start-first", "stop-first")
KEEP_FOR = (0.0, 7 * 86_400.0)
KEPT_FOR = 600.0
"""Seconds an old set is kept where the manifest says nothing."""

ALL = WaveDraft(share=WHOLE)
WAVES = MappingProxyType(
    {
        "rolling": (ALL,),
        "canary": (WaveDraft(count=1), ALL),
        "blue-green": (ALL,),
        "all-at-once": (ALL,),
    }
)
UNLIMITED = MappingProxyType(
    {
        "all-at-once": "what changes all at once",
        "blue-green": "a blue-green rollout, the old set serves until the promote",
    }
)
"""Strategies in which nobody is away by turns, as the middle of a sentence."""
DEFAULT = Rollout(strategy="rolling", waves=(Wave(share=WHOLE),))

_COUNT = re.compile(r"\d{1,5}", re.ASCII)
_SHARE = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?%", re.ASCII)
_WAVE_ADVICE = 'write a count "1", a share "10%" or a label "site=lab"'
_LIMIT_ADVICE = 'write a count, 1, or a share, "25%"'


def draft(root: Table, workloads: Sequence[Workload]) -> RolloutDraft | None:
    """Return the rollout as written, None without one; raise `ManifestError`."""
    if "rollout" not in root:
        return None
    table = root.table("rollout", KEYS)
    strategy = table.read("strategy", scalars.choice(STRATEGIES), DEFAULT.strategy)
    template = Rollout(
        strategy=strategy,
        waves=DEFAULT.waves,
        max_unavailable=_limit(table, strategy),
        group_by="site" if table.read("group_by", _SITE, "") else "",
        healthy_for=table.read(
            "healthy_for", scalars.duration(*HEALTHY_FOR), DEFAULT.healthy_for
        ),
        progress_deadline=table.read(
            "progress_deadline",
            scalars.duration(*PROGRESS_DEADLINE),
            DEFAULT.progress_deadline,
        ),
        on_failure=table.read("on_failure", scalars.choice(ON_FAILURES), "rollback"),
        order=table.read("order", scalars.choice(ORDERS), "auto"),
        window=_window(table),
        keep_for=_keep_for(table, strategy),
    )
    _refuse_contradictions(table, template)
    _refuse_clash(table, template, workloads)
    return RolloutDraft(
        template=template, waves=_waves(table, strategy), line=table.place.line
    )


_SITE = scalars.choice(("site",))


def _keep_for(table: Table, strategy: Strategy) -> float:
    if strategy == "blue-green":
        return table.read("keep_for", scalars.duration(*KEEP_FOR), KEPT_FOR)
    if "keep_for" in table:
        problem = "cannot keep an old set: only a blue-green rollout has one"
        raise table.error("keep_for", f"{problem}; leave it out")
    return DEFAULT.keep_for


def _limit(table: Table, strategy: Strategy) -> Limit:
    if strategy not in UNLIMITED:
        return table.read("max_unavailable", limit, DEFAULT.max_unavailable)
    for key in ("max_unavailable", "group_by"):
        if key in table:
            problem = f"cannot limit {UNLIMITED[strategy]}: leave it out, or write"
            raise table.error(key, f'{problem} strategy = "rolling"')
    return Limit(share=WHOLE)


def limit(value: object) -> Limit:
    """Return a count of replicas, or the share of them in ``"25%"``."""
    if isinstance(value, str) and _SHARE.fullmatch(value):
        return Limit(share=_share(value))
    if isinstance(value, str):
        raise wrong(value, _LIMIT_ADVICE)
    return Limit(count=scalars.whole(0, COUNT_MAX)(value))


def _waves(table: Table, strategy: Strategy) -> tuple[WaveDraft, ...]:
    if "waves" not in table:
        return WAVES[strategy]
    found = table.items("waves", wave)
    if len(found) > WAVES_MAX:
        raise table.error("waves", f"cannot have {len(found)} waves: at most 32")
    if not found or not found[-1].is_whole:
        problem = "cannot leave devices out for good: the last wave is the whole fleet"
        raise table.error("waves", f'{problem}, end with "100%"')
    if strategy in UNLIMITED and len(found) > 1:
        raise table.error("waves", _one_wave(strategy))
    if strategy == "canary" and len(found) == 1:
        problem = "cannot try it on a canary: there is no wave before the whole fleet"
        raise table.error("waves", f'{problem}; write waves = ["1", "100%"]')
    _refuse_shrinking(table, found)
    return tuple(
        replace(each, line=table.place.at("waves", index).line)
        for index, each in enumerate(found)
    )


def _one_wave(strategy: Strategy) -> str:
    if strategy == "all-at-once":
        problem = "cannot change all at once in waves: leave them out"
        return f'{problem}, or write strategy = "rolling"'
    problem = "cannot bring up a new set in waves: one promote switches to all of it"
    return f'{problem}; leave them out, or write strategy = "canary"'


def wave(value: object) -> WaveDraft:
    """Return one wave; a bare number is a count."""
    if isinstance(value, int) and not isinstance(value, bool):
        return WaveDraft(count=scalars.whole(1, COUNT_MAX)(value))
    text = scalars.text(value, scalars.SHORT_MAX)
    if _COUNT.fullmatch(text) and int(text):
        return WaveDraft(count=scalars.whole(1, COUNT_MAX)(int(text)))
    if _SHARE.fullmatch(text):
        return WaveDraft(share=_share(text))
    if "=" not in text:
        raise wrong(text, _WAVE_ADVICE)
    return WaveDraft(label=parts.label(text))


def _share(text: str) -> int:
    match = _SHARE.fullmatch(text)
    assert match is not None  # noqa: S101 - callers looked
    share = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    if not 0 < share <= WHOLE:
        raise wrong(text, "a share is from 0.01% to 100%")
    return share


def _refuse_shrinking(table: Table, waves: tuple[WaveDraft, ...]) -> None:
    """Raise for a wave that cannot be larger than one before it."""
    count = share = 0
    for index, each in enumerate(waves):
        place = table.place.at("waves", index)
        if (each.count and each.count <= count) or (each.share and each.share <= share):
            problem = "cannot shrink: each wave includes those before it"
            raise place.error(f"{problem}, so write a larger one")
        if each.count and share:
            problem = "cannot count devices after a share of them: nobody knows which"
            raise place.error(f"{problem} is more; write counts first")
        count, share = each.count or count, each.share or share


def _window(table: Table) -> Window | None:
    if "window" not in table:
        return None
    inner = table.table("window", WINDOW_KEYS)
    for key, example in (("opens", '"0 2 * * *"'), ("lasts", '"2h"')):
        if key not in inner:
            problem = f"cannot tell when the window {key}"
            raise inner.place.error(f"{problem}: write {key} = {example}")
    found = Window(
        opens=inner.read("opens", _opens, ""),
        lasts=inner.read("lasts", scalars.duration(*LASTS), 0.0),
        zone=inner.read("zone", _zone, "UTC"),
        spread=inner.read("spread", scalars.duration(0.0, windows.LASTS_MAX), 0.0),
    )
    if said := windows.problem(found):
        raise inner.error("spread", f"cannot use this window: {said}")
    return found


def _opens(value: object) -> str:
    """Return the five fields in their one spelling."""
    text = " ".join(scalars.text(value, scalars.SHORT_MAX).split())
    if crontab.read(text).is_never:
        raise wrong(text, "the window never opens, no year has such a day")
    return text


def _zone(value: object) -> str:
    text = scalars.text(value, scalars.SHORT_MAX)
    if not windows.is_zone(text):
        raise wrong(text, 'no such time zone, write one such as "Europe/Berlin"')
    return text


def _refuse_contradictions(table: Table, template: Rollout) -> None:
    if template.healthy_for >= template.progress_deadline:
        key = "healthy_for" if "healthy_for" in table else "progress_deadline"
        problem = f"cannot be healthy for {template.healthy_for:g} s within"
        advice = "write a longer progress_deadline or a shorter healthy_for"
        raise table.error(key, f"{problem} {template.progress_deadline:g} s: {advice}")
    if template.order == "stop-first" and template.max_unavailable == Limit():
        problem = "cannot stop the old copy first when none may be unavailable"
        advice = 'write order = "start-first", or a max_unavailable of 1'
        raise table.error("max_unavailable", f"{problem}: {advice}")


def _refuse_clash(
    table: Table, template: Rollout, workloads: Iterable[Workload]
) -> None:
    """Raise where an old copy must stop first, and that is not what was asked for."""
    for each in workloads:
        why = order.clash(each, template)
        if why and template.strategy == "blue-green":
            raise table.error(*_never_beside(each, template, why))
        if why and template.order == "start-first":
            problem = f"cannot start a new copy of {each.name} beside the old one"
            raise table.error("order", f'{problem}: {why}; write order = "auto"')
        if why and template.max_unavailable == Limit():
            problem = f"cannot replace {each.name} when none may be unavailable"
            advice = "so the old copy stops first; write max_unavailable = 1"
            raise table.error("max_unavailable", f"{problem}: {why}, {advice}")


def _never_beside(workload: Workload, template: Rollout, why: str) -> tuple[str, str]:
    """Return the field and the sentence for what cannot be in two sets."""
    problem = f"cannot run two sets of {workload.name}: {why}"
    if template.order == "stop-first":
        advice = 'leave it out, or write strategy = "rolling"'
        return "order", f"{problem}; {advice}"
    advice = 'write strategy = "canary" or "rolling"'
    if workload.failover != "strict":
        advice += ', or order = "start-first" where two copies can share that'
    return "strategy", f"{problem}; {advice}"
