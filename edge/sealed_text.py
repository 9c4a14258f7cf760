"""Text for operators that passes through the hub: locked once, the key for each reader.

What a failing workload printed may hold anything. The device that saw it fail seals it
to the operators' sealing keys; hub, broker and backups carry a box (DESIGN §4).
"""

from collections.abc import Iterable

from edge import sealing
from edge.errors import TrustError
from edge.model import SealedText


def seal(text: str, readers: Iterable[str]) -> SealedText | None:
    """Return text that the owners of these sealing keys can read.

    None when there is nothing to read, or nobody who may.
    """
    publics = sorted(each for each in set(readers) if sealing.can_seal(each))
    if not text or not publics:
        return None
    key = sealing.new_key()
    return SealedText(
        box=sealing.to_text(sealing.lock(key, text.encode())),
        keys={each: sealing.to_text(sealing.seal(each, key)) for each in publics},
    )


def read(sealed: SealedText, public: str, opener: sealing.Opener) -> str:
    """Return the text; ``public`` is the reader's sealing key.

    Raises `TrustError` when it was not sealed to this key, or is damaged.
    """
    if public not in sealed.keys:
        problem = "cannot read what was sealed to other operators"
        raise TrustError("not-sealed-to-us", problem)
    try:
        key = opener.open(sealing.from_text(sealed.keys[public]))
        content = sealing.unlock(key, sealing.from_text(sealed.box))
    except ValueError as error:
        problem = "cannot read a sealed text: it is spelled wrong"
        raise TrustError("malformed", problem) from error
    return content.decode("utf-8", "replace")
