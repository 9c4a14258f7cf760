"""Errors of a manifest say where: file, line and path."""

import pytest

from edge.errors import ManifestError
from edge.manifest import fields, scalars
from edge.manifest.fields import Place, Source, Table

TEXT = "name = 1\n[a]\nlist = [\n  1,\n  2,\n  1,\n]\nb = {\n  'x y' = 3,\n}\n"
CONTENT: dict[str, object] = {
    "name": 1,
    "a": {"list": [1, 2, 1], "b": {"x y": 3}},
}
ROOT = Table(content=CONTENT, place=Place(source=Source(text=TEXT, file="f.toml")))
KNOWN = {"name": "", "a": "", "old": "write new"}


def inner() -> Table:
    """Return table ``a``."""
    return ROOT.table("a", {"list": "", "b": ""})


def test_a_wrong_value_is_an_error_with_its_place() -> None:
    """The whole sentence as a person sees it."""
    with pytest.raises(ManifestError) as caught:
        ROOT.read("name", scalars.text, "")
    assert str(caught.value) == "f.toml:1: name: cannot use 1: write text in quotes"


def test_a_missing_key_has_its_default() -> None:
    """Defaults are not converted."""
    assert ROOT.read("missing", scalars.text, None) is None


def test_an_item_twice_points_at_the_second() -> None:
    """Not at the list."""
    with pytest.raises(ManifestError, match="1 twice") as caught:
        inner().items("list", scalars.whole(0, 9))
    assert (caught.value.path, caught.value.line) == ("a.list[2]", 6)


def test_a_key_with_a_blank_is_quoted_in_the_path() -> None:
    """Or the path could be read in two ways."""
    (_, _, place) = next(inner().pairs("b"))
    assert str(place.error("cannot")) == 'f.toml:9: a.b."x y": cannot'


def test_what_is_missing_stands_where_its_table_does() -> None:
    """The nearest line is the one to edit."""
    assert inner().error("missing", "cannot").line == 2


def test_a_place_nobody_wrote_has_no_line() -> None:
    """Better none than a wrong one."""
    assert ROOT.error("missing", "cannot").line == 0


def test_an_unknown_key_gets_the_nearest() -> None:
    """One typing error, one answer."""
    table = Table(content={"nmae": 1}, place=ROOT.place)
    with pytest.raises(ManifestError, match=r"did you mean name\?"):
        table.allow(KNOWN)


def test_an_unknown_key_near_nothing_gets_the_list() -> None:
    """Words of other tools are not in it."""
    table = Table(content={"zzz": 1}, place=ROOT.place)
    with pytest.raises(ManifestError, match=r"known here are name, a$"):
        table.allow(KNOWN)


def test_a_word_of_another_tool_gets_its_answer() -> None:
    """People come from somewhere."""
    table = Table(content={"old": 1}, place=ROOT.place)
    with pytest.raises(ManifestError, match="write new"):
        table.allow(KNOWN)


@pytest.mark.parametrize("value", [1, "x", [1], True])
def test_what_is_no_table_is_refused(value: object) -> None:
    """With the spelling of one."""
    table = Table(content={"a": value}, place=ROOT.place)
    with pytest.raises(ManifestError, match="write a table"):
        table.table("a", {})


def test_what_is_no_list_is_refused() -> None:
    """A single item is not a list of one."""
    with pytest.raises(ManifestError, match="write a list"):
        ROOT.items("name", scalars.text)


def test_a_list_is_bounded() -> None:
    """Comparing all with all must stay cheap."""
    table = Table(content={"a": list(range(257))}, place=ROOT.place)
    with pytest.raises(ManifestError, match="257 entries here: at most 256"):
        table.items("a", scalars.whole(0, 999))


def test_a_path_reads_as_written() -> None:
    """Steps by dots, items by number."""
    assert fields.dotted(("workload", "web", "ports", 1)) == "workload.web.ports[1]"
