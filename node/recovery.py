"""What a hub restored from an old backup lost, and this device still has.

The question is a hint from whoever may write at the broker: it chooses among documents
that every hub of this fleet may read, and is answered to the hub alone.
"""

from collections.abc import Callable, Container, Iterable, Iterator

import msgspec

from edge import envelope

STREAMS_MAX = 256  # of one question
BUDGET = envelope.BUNDLE_MAX - 8 * 1024
COUNT_MAX = min(envelope.BUNDLE_COUNT_MAX, envelope.BUNDLE_SIGNATURES_MAX // 4)
"""Documents in one message: of up to four signatures each, in the mean."""
COMMA = 1


class _Question(msgspec.Struct, frozen=True):
    streams: tuple[str, ...] = ()


def asked(payload: bytes) -> tuple[str, ...]:
    """Return the streams a question names; none when it is none."""
    try:
        found = msgspec.json.decode(payload, type=_Question).streams
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ()
    return tuple(dict.fromkeys(found[:STREAMS_MAX]))


def bundles(
    streams: Iterable[str],
    held: Container[str],
    envelopes: Callable[[str], tuple[bytes, ...]],
) -> Iterator[bytes]:
    """Yield the messages that hand in what is held of these streams, in their order."""
    packed: list[bytes] = []
    size = 0
    for each in (e for stream in streams if stream in held for e in envelopes(stream)):
        if packed and (size + len(each) > BUDGET or len(packed) >= COUNT_MAX):
            yield envelope.bundle(packed)
            packed, size = [], 0
        packed.append(each)
        size += len(each) + COMMA
    if packed:
        yield envelope.bundle(packed)
