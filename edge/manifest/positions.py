"""Find the line on which each key of a TOML text stands.

tomli says what a text means but not where. This scanner reads only text that tomli
accepted, so it need not judge: it follows headers, dotted keys, inline tables and
arrays, and steps over strings and comments. Where it loses its way it stops and keeps
what it found: a missing line is better than a wrong one.
Source: TOML 1.1, sections Keys, Table, Inline Table and Array of Tables.
"""

import bisect
import re
from collections.abc import Mapping

import tomli

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}'  # up to two quotes may stand before the closing
    r"|'''.*?''''{0,2}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


class _LostError(Exception):
    """The scanner met something it does not know."""


def lines(text: str) -> Mapping[Path, int]:
    """Return the line, counted from 1, of every key and list item in ``text``."""
    scanner = _Scanner(text)
    try:
        scanner.read_document()
    except (_LostError, RecursionError):
        return scanner.found
    return scanner.found


class _Scanner:
    """A position in the text, and what was found before it."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._ends = [index for index, sign in enumerate(text) if sign == "\n"]
        self._last_items: dict[Path, int] = {}

    def read_document(self) -> None:
        """Walk over headers and key-value lines up to the end of the text."""
        table: Path = ()
        while self._skip(_BLANK) < len(self._text):
            if self._sees("["):
                table = self._read_header()
            else:
                self._read_pair(table)

    def _read_header(self) -> Path:
        is_list = self._sees("[[")
        start = self._at
        self._take("[[" if is_list else "[")
        keys = self._read_keys()
        self._skip(_SPACE)
        self._take("]]" if is_list else "]")
        path = self._inside_lists(keys[:-1]) + keys[-1:]
        if is_list:
            self._last_items[path] = self._last_items.get(path, -1) + 1
        path = self._inside_lists(keys)
        self._note(path, start)
        return path

    def _inside_lists(self, keys: Path) -> Path:
        """Return ``keys`` with the newest item of every array of tables on the way."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._last_items:
                path = (*path, self._last_items[path])
        return path

    def _read_pair(self, table: Path) -> None:
        start = self._at
        path = table + self._read_keys()
        self._note(path, start)
        self._skip(_SPACE)
        self._take("=")
        self._skip(_SPACE)
        self._read_value(path)

    def _read_keys(self) -> Path:
        keys = [self._read_key()]
        while self._skip(_SPACE) < len(self._text) and self._sees("."):
            self._take(".")
            keys.append(self._read_key())
        return tuple(keys)

    def _read_key(self) -> str:
        self._skip(_SPACE)
        if self._sees('"') or self._sees("'"):
            # tomli knows every escape; one key is a document of its own.
            return str(tomli.loads(f"key = {self._match(_STRING)}")["key"])
        return self._match(_BARE_KEY)

    def _read_value(self, path: Path) -> None:
        if self._sees("["):
            self._read_list(path)
        elif self._sees("{"):
            self._read_table(path)
        elif self._sees('"') or self._sees("'"):
            self._match(_STRING)
        else:
            self._match(_SCALAR)

    def _read_list(self, path: Path) -> None:
        self._take("[")
        index = 0
        while self._more("]"):
            self._note((*path, index), self._at)
            self._read_value((*path, index))
            index += 1
            self._end_item()
        self._take("]")

    def _read_table(self, path: Path) -> None:
        self._take("{")
        while self._more("}"):
            self._read_pair(path)
            self._end_item()
        self._take("}")

    def _more(self, close: str) -> bool:
        return self._skip(_BLANK) < len(self._text) and not self._sees(close)

    def _end_item(self) -> None:
        self._skip(_BLANK)
        if self._sees(","):
            self._take(",")

    def _note(self, path: Path, start: int) -> None:
        """Keep the line of ``path`` and of what it begins, first come first kept."""
        line = bisect.bisect_left(self._ends, start) + 1
        for length in range(1, len(path) + 1):
            self.found.setdefault(path[:length], line)

    def _sees(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _take(self, sign: str) -> None:
        if not self._sees(sign):
            raise _LostError
        self._at += len(sign)

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _LostError
        self._at = match.end()
        return match.group()

    def _skip(self, pattern: re.Pattern[str]) -> int:
        self._match(pattern)
        return self._at
