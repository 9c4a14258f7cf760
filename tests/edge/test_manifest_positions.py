"""The line of every key, in every way TOML has to write one."""

import tomli
from hypothesis import given
from hypothesis import strategies as st

from edge.manifest import positions
from edge.manifest.positions import Path

WITH_EVERYTHING = '''\
# name = "not this one"
name = "web"

[workload.web]            # a table
image = "x"
health = {
  http = "http://:80/",   # inside, of { several } lines
  every = "1s",
}
"quoted key" = 1
env.GREETING = """
[workload.fake]
image = "no"
""""
'literal.key' = ['a', { b = 1 },
  "c"]

[workload."a.b"]
image = 'x'
[[list]]
one = 1
[[list]]
two = 2
[list.below]
three = 1979-05-27 07:32:00
'''


def line(*path: str | int) -> int:
    """Return the line of a path in the text above."""
    return positions.lines(WITH_EVERYTHING).get(path, 0)


def test_a_table_stands_where_its_header_is() -> None:
    """And so does what the header goes through."""
    assert (line("workload", "web"), line("workload")) == (4, 4)


def test_a_key_in_a_comment_is_none() -> None:
    """The first line only looks like a name."""
    assert line("name") == 2


def test_a_key_in_an_inline_table_of_several_lines_has_its_own_line() -> None:
    """TOML 1.1."""
    assert line("workload", "web", "health", "every") == 8


def test_a_dotted_key_counts_step_by_step() -> None:
    """``env.GREETING`` makes a table and a key."""
    assert line("workload", "web", "env", "GREETING") == 11


def test_text_that_looks_like_toml_is_text() -> None:
    """A multi-line string may hold anything."""
    assert line("workload", "fake") == 0


def test_quoted_keys_are_unquoted() -> None:
    """A dot in quotes separates nothing."""
    assert line("workload", "web", "literal.key") == 15
    assert line("workload", "a.b", "image") == 19


def test_items_of_a_list_have_lines() -> None:
    """An error about the third port points at the third port."""
    key = ("workload", "web", "literal.key")
    assert (line(*key, 1, "b"), line(*key, 2)) == (15, 16)


def test_the_second_table_of_a_list_is_not_the_first() -> None:
    """Arrays of tables count their items, also for what is below them."""
    assert (line("list", 0, "one"), line("list", 1, "two")) == (21, 23)
    assert line("list", 1, "below", "three") == 25


def test_carriage_returns_do_not_count() -> None:
    """A file from Windows has the same lines."""
    text = 'a = 1\r\n[t]\r\nb = """x\r\ny"""\r\nc = 2\r\n'
    assert positions.lines(text)["t", "c"] == 5


def test_a_scanner_that_lost_its_way_keeps_what_it_knew() -> None:
    """A missing line is better than a wrong one."""
    assert positions.lines("a = 1\nb = 2\n= =\nc = 3") == {("a",): 1, ("b",): 2}


def test_brackets_without_end_are_survived() -> None:
    """Text as deep as tomli allows and deeper."""
    assert positions.lines("a = " + "[" * 5000)[("a",)] == 1


KEYS = st.text("abc-_", min_size=1, max_size=3)
TEXTS = st.text("ab\"'[]{}=#,.\\\n\t ", max_size=8)
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=12,
)
BLANKS = st.sampled_from(["", " ", "\n", " # } ] \" = '\n", "\r\n\t"])


@st.composite
def written(draw: st.DrawFn, value: object) -> str:
    """Return a value as TOML, with blanks, comments and quotes as they may come."""
    if isinstance(value, str):
        return draw(quoted(value))
    if isinstance(value, list):
        items = [draw(BLANKS) + draw(written(item)) + draw(BLANKS) for item in value]
        return f"[{','.join(items)}{draw(BLANKS)}]"
    if isinstance(value, dict):
        pairs = [
            f"{draw(BLANKS)}{draw(quoted(key, is_key=True))} = {draw(written(item))}"
            for key, item in value.items()
        ]
        return f"{{{','.join(pairs)}{draw(BLANKS)}}}"
    return str(value).lower()


@st.composite
def quoted(draw: st.DrawFn, text: str, *, is_key: bool = False) -> str:
    """Return text in one of TOML's spellings."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\t", "\\t")
    ways = [f'"{escaped}"']
    if not is_key and "\\" not in text and '"' not in text:
        ways.append(f'"""\n{text}"""')
    if "'" not in text and "\n" not in text:
        ways.append(f"'{text}'")
    if is_key:
        ways.append(text)
    return draw(st.sampled_from(ways))


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Return a TOML document with headers and pairs."""
    tables = draw(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES), max_size=3))
    text = ""
    for name, table in tables.items():
        text += (
            f"{draw(BLANKS).strip(' ')}\n[ {draw(quoted(name, is_key=True))} ] # x\n"
        )
        for key, value in table.items():
            text += f"{draw(quoted(key, is_key=True))}={draw(written(value))} # y\n"
    return text


def paths(value: object, at: Path = ()) -> set[Path]:
    """Return every path in a value."""
    steps: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    if isinstance(value, list):
        steps = list(enumerate(value))
    return {at} | {path for key, item in steps for path in paths(item, (*at, key))}


@given(documents())
def test_every_key_tomli_sees_has_a_line_and_no_other(text: str) -> None:
    """The scanner and the parser agree on what is a key."""
    assert set(positions.lines(text)) == paths(tomli.loads(text)) - {()}


@given(documents())
def test_a_key_is_in_its_line(text: str) -> None:
    """The line that is named holds the key."""
    rows = text.split("\n")
    for path, number in positions.lines(text).items():
        if isinstance(path[-1], str):
            assert path[-1] in rows[number - 1]
