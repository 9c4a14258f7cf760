"""One spelling for one value, where msgspec alone allows two.

msgspec leaves a default out of what it writes, but a float or a struct only if it *is*
the default object: ``"stop_after":10.0`` written out would decode, and encode to the
same bytes again, beside the spelling without it. Minus zero is a second zero.
"""

import functools
import typing
from typing import Any, TypeVar

import msgspec

Part = TypeVar("Part")


def plain(part: Part) -> Part:
    """Return ``part`` with each default as the default itself, and no minus zero."""
    if isinstance(part, float):
        return part or 0.0  # type: ignore[return-value]  # a float stays a float
    if isinstance(part, tuple):
        parts = tuple(plain(each) for each in part)
        changed = any(new is not old for new, old in zip(parts, part, strict=True))
        return parts if changed else part  # type: ignore[return-value]
    return _plain_struct(part) if isinstance(part, msgspec.Struct) else part


def _plain_struct(part: Any) -> Any:  # noqa: ANN401 - any struct, and the same back
    changes = {}
    shape: type[msgspec.Struct] = type(part)
    for name, default in _ambiguous(shape):
        said = getattr(part, name)
        value = plain(said)
        if value == default:
            value = default
        if value is not said:
            changes[name] = value
    return msgspec.structs.replace(part, **changes) if changes else part


@functools.cache
def _ambiguous(shape: type[msgspec.Struct]) -> tuple[tuple[str, object], ...]:
    """Return the fields with a second spelling somewhere inside, and their defaults."""
    hints = typing.get_type_hints(shape)
    return tuple(
        (field.name, field.default)
        for field in msgspec.structs.fields(shape)
        if isinstance(field.default, msgspec.Struct) or _may_hold(hints[field.name])
    )


def _may_hold(hint: Any) -> bool:  # noqa: ANN401 - a type, or a generic of types
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return bool(_ambiguous(hint))
    return hint is float or any(_may_hold(each) for each in typing.get_args(hint))
