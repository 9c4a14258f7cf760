"""Nothing goes backwards: the rule for every stream's counter.

Newer than the head is accepted, the same digest is known, the same number with another
digest is a conflict that only the next number ends. Jumps are capped, so that one bad
document cannot use up all numbers there are.
"""

from edge.documents import Document
from edge.trust.ledger import Head
from edge.trust.verdict import Refused

JUMP_MAX = 1_000
"""Versions a document may be ahead of the one held; people make them one by one."""
FIRST_MAX = 1_000_000
"""The highest number a device that holds nothing of a stream believes."""
SEQ_JUMP_MAX = 1_000_000
"""Sequence numbers a hub or device may be ahead; machines make them quickly."""


def refusal(document: Document, digest: str, head: Head | None) -> Refused | None:
    """Return why the counter is refused, None when it is newer or the very same."""
    if head is None:
        return None if _is_first(document.counter) else _jump(document, (0,))
    if document.counter == head.counter:
        return None if digest == head.digest else _conflict(document)
    if document.counter < head.counter:
        return _rolled_back(document, head)
    return (
        None
        if _is_near(document.counter, head.counter)
        else _jump(document, head.counter)
    )


def _is_first(counter: tuple[int, ...]) -> bool:
    return all(number <= FIRST_MAX for number in counter)


def _is_near(counter: tuple[int, ...], held: tuple[int, ...]) -> bool:
    """Compare the leading number by versions, the last one by sequence."""
    if len(counter) == 1:
        return counter[0] - held[0] <= JUMP_MAX
    *leading, last = counter
    *held_leading, held_last = held
    if leading == held_leading:
        return last - held_last <= SEQ_JUMP_MAX
    steps = zip(leading, held_leading, strict=True)
    return last <= FIRST_MAX and all(new - old <= JUMP_MAX for new, old in steps)


def _said(counter: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in counter)


def _conflict(document: Document) -> Refused:
    number = _said(document.counter)
    problem = (
        f"{document.stream} {number} is held with another content; "
        "the next number ends this"
    )
    return Refused(reason="conflict", problem=problem)


def _rolled_back(document: Document, head: Head) -> Refused:
    held, number = _said(head.counter), _said(document.counter)
    problem = f"cannot accept {document.stream} {number}: already at {held}"
    return Refused(reason="rolled-back", problem=problem)


def _jump(document: Document, held: tuple[int, ...]) -> Refused:
    number = _said(document.counter)
    problem = f"cannot accept {document.stream} {number}: too far from {_said(held)}"
    return Refused(reason="counter-jump", problem=problem)
