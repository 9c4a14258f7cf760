"""Bytes that say almost the same: other spellings of a document, broken frames."""

from collections.abc import Callable

from edge import envelope

DEPTH = 2_000
FRAMES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"documents":{}}',
    b'{"documents":[],"x":1}',
    b'{"documents":[' + b"[" * DEPTH,
    b"\xff\xfe\xff",
    b'{"documents":[' + b"1," * 600 + b"1]}",
    b" " * (envelope.BUNDLE_MAX + 1),
)
"""What is no bundle, or too much of one."""

SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda text: text.replace('":', '": ', 1),
    lambda text: text.replace("{", '{"fleet":"shop",', 1),
    lambda text: text.replace('"version":', '"version":1,"version":', 1),
    lambda text: text.replace('"shop"', '"\\u0073hop"', 1),
    lambda text: text.replace('"shop"', '"sh\\ud800op"', 1),
    lambda text: text.replace('"version":1', '"version":1.0', 1),
    lambda text: text.replace('"version":', '"version":1e400,"x":', 1),
    lambda text: text.replace('"issued_at":', '"issued_at":NaN,"x":', 1),
    lambda text: text.replace('"issued_at":', '"issued_at":-0.0,"x":', 1),
    lambda text: text[:-1] + ',"scope":""}',
    lambda text: text[:-1] + ',"labels":{}}',
    lambda text: text[:-1] + ',"later":' + "[" * DEPTH + "]" * DEPTH + "}",
    lambda text: text[:-1] + ',"later":{"a":1}}',
    lambda text: text + "\n",
    lambda text: text + text,
    lambda text: text.upper(),
    lambda text: "\ufeff" + text,
)
"""Second spellings of a payload, and what no strict reader takes."""
