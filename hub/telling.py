"""What is told of rollouts: the events between one decision and the next."""

from collections.abc import Iterator, Mapping

from hub import progress
from hub.proofs import Evidence
from hub.stage import Memory
from hub.staging import Course, Memories

Courses = Mapping[str, Course]


def of(before: Memories, after: Courses) -> Iterator[tuple[str, str]]:
    """Yield deployment and sentence for everything that was remembered otherwise."""
    for name, course in sorted(after.items()):
        known = before.get(name)
        if known is not None and known.version == course.fleet.version:
            yield from ((name, text) for text in _news(course, known.memory))
        else:
            yield name, _opened(course)


def stranded(
    before: Mapping[str, Evidence], after: Mapping[str, Evidence], courses: Courses
) -> Iterator[tuple[str, str]]:
    """Yield deployment and sentence where devices need the operator's word anew."""
    for name, found in sorted(after.items()):
        known = before.get(name)
        is_same = known is not None and known.version == found.version
        told = known.stranded if known is not None and is_same else ()
        new = [node for node in found.stranded if node not in told]
        if new:
            yield name, _stranded(courses[name], progress.named(new))


def _stranded(course: Course, who: str) -> str:
    fleet = course.fleet
    what, word = f"revision {fleet.version}", f"edgectl rollout {{}} {fleet.deployment}"
    if course.stage.memory.is_back:
        why = "no report of its failure is left that counts"
        return f"{what} stays on {who}: {why}; `{word.format('abort')}` ends it there"
    why = "no proof of it is left that counts"
    return f"{what} cannot reach {who}: {why}; `{word.format('promote')}` does without"


def _news(course: Course, before: Memory) -> Iterator[str]:
    memory = course.stage.memory
    if memory.wave > before.wave:
        yield _opened(course)
    if memory.phase != before.phase:
        yield _turned(course, before)


def _opened(course: Course) -> str:
    wave, waves = course.stage.memory.wave + 1, len(course.terms.rollout.waves)
    return f"revision {course.fleet.version}: wave {wave} of {waves} is open"


def _turned(course: Course, before: Memory) -> str:
    """Return what a rollout came to, a sentence."""
    memory, fleet = course.stage.memory, course.fleet
    why = f": {memory.reason}" if memory.reason else ""
    said = {
        "rolling": "goes on" if before.phase != "waiting" else "begins, in its window",
        "waiting": "waits for its window",
        "paused": f"is paused{why}",
        "promotable": f"waits for its promote{why}",
        "done": f"is done{why}",
        "going-back": f"goes back to {_before(course)}{why}",
        "failed": f"failed, {_back(course)}{why}",
        "aborted": f"was aborted, {_back(course)}",
    }
    return f"revision {fleet.version} {said[memory.phase]}"


def _back(course: Course) -> str:
    """Return who is back at the version before."""
    left = progress.named(course.fleet.left)
    return f"all{f' but {left}' if left else ''} are back at {_before(course)}"


def _before(course: Course) -> str:
    return f"revision {course.fleet.fallback}"
