"""Watch a rollout until it is over, on a terminal or in a log.

Nothing depends on the watcher: whoever stops watching is told how to come back.
"""

import time
from collections.abc import Callable

from edge.ctl import follow, outcome, stage_text, terminal
from edge.ctl.api import Hub
from edge.ctl.exits import Ended, Exit
from edge.ctl.impact import named
from edge.ctl.live import View
from edge.ctl.outcome import Done, Failed, Held, Overtaken, Ready
from edge.ctl.shapes import Stage

REDRAW_EVERY = 1.0  # seconds; the time left is shown to the second
Tell = Callable[[Stage], None]


def until_over(  # noqa: PLR0913 - what is watched, where it is shown, for how long
    hub: Hub,
    name: str,
    version: int,
    shown: View,
    *,
    timeout: float | None = None,
    tell: Tell = lambda _: None,
) -> Stage:
    """Return the stage in which ``version`` is done, or waits for its promote.

    Raises `Ended` for another end.

    ``tell`` is called with each stage that differs from the one before.
    """
    watch = follow.Watch(lambda etag, wait: hub.stage(name, etag, wait), timeout)
    stage: Stage | None = None
    try:
        while watch.left > 0:
            is_ticking = shown.is_live and stage is not None
            found = watch.look(REDRAW_EVERY if is_ticking else follow.POLL_FOR)
            stage = found or stage
            if stage is None or stage.version < version:
                continue
            shown.show(stage_text.picture(stage, time.time()), stage_text.news(stage))
            if found is not None:
                tell(found)
                if _is_done(found, version):
                    return found
    except KeyboardInterrupt as stop:
        raise detached(name, version) from stop
    lines = stage_text.news(stage) if stage is not None else ()
    raise follow.timed_out(f"{name} {version}", timeout or 0.0, lines)


def detached(name: str, version: int) -> Ended:
    """Return the end of watching something that goes on."""
    problem = f"watching no more, {name} {version} goes on"
    words = f"`edgectl rollout watch {name}` comes back"
    hold = f"`edgectl rollout pause {name}` holds it"
    return Ended(Exit.INTERRUPTED, f"{problem}: {words}, {hold}")


def _is_done(stage: Stage, version: int) -> bool:
    """Return whether it is over and well; raise `Ended` when it is over otherwise."""
    match outcome.judge(stage, version):
        case Done() | Ready() as found:
            if found.waiting:
                who = named(list(found.waiting))
                terminal.tell(f"  offline, to get it when they are back: {who}")
            if isinstance(found, Done) and found.remark:
                terminal.tell(f"  {found.remark}")
            return True
        case Overtaken() as other:
            late = f"someone signed version {other.version} meanwhile"
            problem = f"cannot finish {stage.name} {version}: {late}"
            raise Ended(Exit.OVERTAKEN, problem)
        case Failed() | Held() as found:
            for line in stage_text.trouble(stage):
                terminal.tell(f"  {line}")
            raise Ended(Exit.ROLLOUT_FAILED, found.problem)
        case _:
            return False
