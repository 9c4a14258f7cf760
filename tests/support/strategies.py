"""Hypothesis strategies for shapes: any value the strict decoder takes.

`values(Deployment)` draws from the shape itself, bounds and patterns included, so that
a law over "every document there can be" grows with the shapes.
"""

import functools
import types
import typing
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import strategies as st
from msgspec import Meta

SOME = 3  # parts of a list: enough for order, repeats and emptiness
WORDS = 12  # characters of a free text: enough for escapes; the bounds have own tests


@functools.cache
def values(shape: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for everything of this type."""
    origin = typing.get_origin(shape)
    if origin is Annotated:
        inner, *notes = typing.get_args(shape)
        return _bounded(inner, [each for each in notes if isinstance(each, Meta)])
    if origin is Literal:
        return st.sampled_from(typing.get_args(shape))
    if origin in {types.UnionType, typing.Union}:
        return st.one_of(*(values(each) for each in typing.get_args(shape)))
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return _structs(shape)
    return _bounded(shape, [])


def _structs(shape: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(shape, include_extras=True)
    fields = msgspec.structs.fields(shape)
    needed = {f.name: values(hints[f.name]) for f in fields if f.required}
    free = {f.name: values(hints[f.name]) for f in fields if not f.required}
    return st.fixed_dictionaries(needed, optional=free).map(lambda kept: shape(**kept))


def _bounded(shape: Any, notes: list[Meta]) -> st.SearchStrategy[Any]:
    """Return what fits all notes: those of an alias and those put on top of it."""
    if typing.get_origin(shape) is Annotated:
        inner, *more = typing.get_args(shape)
        return _bounded(inner, [*more, *notes])
    limits = _Limits(notes)
    origin = typing.get_origin(shape) or shape
    if origin is tuple:
        part = values(typing.get_args(shape)[0])
        return st.lists(part, min_size=limits.least, max_size=SOME).map(tuple)
    if origin is dict:
        key, value = (values(each) for each in typing.get_args(shape))
        return st.dictionaries(key, value, max_size=SOME)
    return limits.of(shape)


class _Limits:
    """Everything several `Meta` say together."""

    def __init__(self, notes: list[Meta]) -> None:
        said = {
            name: getattr(note, name)
            for note in notes
            for name in ("ge", "le", "pattern", "min_length", "max_length")
            if getattr(note, name) is not None
        }
        self.low, self.high = said.get("ge"), said.get("le")
        self.pattern = said.get("pattern")
        self.least = said.get("min_length", 0)
        self.most = said.get("max_length", WORDS)

    def of(self, shape: Any) -> st.SearchStrategy[Any]:
        """Return a strategy for a simple type inside the limits."""
        if shape is bool:
            return st.booleans()
        if shape is int:
            return st.integers(self.low, self.high)
        if shape is float:
            return st.floats(self.low, self.high, allow_nan=False, allow_infinity=False)
        if shape is type(None):
            return st.none()
        assert shape is str, f"no strategy for {shape}"
        if self.pattern:
            return st.from_regex(self.pattern)
        letters = st.characters(exclude_categories=["Cs"])
        return st.text(letters, min_size=self.least, max_size=min(self.most, WORDS))
