"""Nothing goes backwards: the rule for every stream's counter.

Newer than the head is accepted, the same digest is known, the same number with another
digest is a conflict that only the next number ends. Jumps are capped, so that no one
document uses up the numbers there are. Whoever holds nothing believes no more than a
jump either: otherwise a newcomer could be led to a number that everybody else, and so
the next honest document, cannot reach.
"""

from edge.documents import Document
from edge.trust.ledger import Head
from edge.trust.verdict import Refused

JUMP_MAX = 1_000_000
"""Versions a document may be ahead: a device that lay in a drawer for years catches up
in one step, and 2**53 numbers last for nine billion such leaps."""
SEQ_JUMP_MAX = 2**40
"""Sequence numbers a machine may be ahead: 1,000 a second for 30 years. Root takes them
back by raising the generation."""


def refusal(document: Document, digest: str, head: Head | None) -> Refused | None:
    """Return why the counter is refused, None when it is newer or the very same."""
    counter = document.counter
    held = head.counter if head else (0,) * len(counter)
    if head and counter == held:
        return None if digest == head.digest else _conflict(document)
    if head and counter < held:
        return _rolled_back(document, head)
    return None if _is_near(counter, held) else _jump(document, held)


def _is_near(counter: tuple[int, ...], held: tuple[int, ...]) -> bool:
    """Compare the leading numbers by versions, the last of several by sequence."""
    caps = [JUMP_MAX] * len(counter)
    if len(counter) > 1:
        caps[-1] = SEQ_JUMP_MAX
    padded = held + (0,) * (len(counter) - len(held))  # a floor may name fewer
    steps = zip(counter, padded, caps, strict=False)
    return all(new - max(old, 0) <= cap for new, old, cap in steps)


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
