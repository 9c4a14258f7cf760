"""The outermost table, and text that is no TOML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import manifest
from edge.errors import ManifestError

ONE = '[workload.web]\nimage = "h:1/web:1"\n'
ROLLOUT = """
[rollout]
strategy = "canary"
waves = ["1", "100%"]
"""


def refusal(text: str) -> ManifestError:
    """Return the error of a text."""
    with pytest.raises(ManifestError, match="cannot ") as caught:
        manifest.parse(text, file="web.toml")
    return caught.value


def test_the_least_manifest_has_a_name_and_an_image() -> None:
    """Everything else has a default."""
    parsed = manifest.parse(f'name = "web"\n{ONE}', file="web.toml")
    assert (parsed.name, parsed.workloads[0].image) == ("web", "h:1/web:1")


def test_workloads_are_sorted_by_name() -> None:
    """Moving a table in the file changes nothing that is signed."""
    text = 'name = "x"\n[workload.b]\nimage = "h:1/b"\n[workload.a]\nimage = "h:1/a"\n'
    assert [draft.name for draft in manifest.parse(text).workloads] == ["a", "b"]


def test_a_rollout_is_read_with_its_line() -> None:
    """Without the table there is none."""
    parsed = manifest.parse(f'name = "web"\n{ONE}{ROLLOUT}')
    assert parsed.rollout is not None
    assert (parsed.rollout.template.strategy, parsed.rollout.line) == ("canary", 5)
    assert manifest.parse(f'name = "web"\n{ONE}').rollout is None


def test_a_name_is_needed() -> None:
    """A deployment is replaced by its name."""
    assert "without a name" in refusal(ONE).problem


@pytest.mark.parametrize("text", ['name = "web"', 'name = "web"\nworkload = {}'])
def test_a_workload_is_needed(text: str) -> None:
    """An empty deployment is ended by deleting it."""
    assert "no workload at all" in refusal(text).problem


def test_a_bad_name_is_refused() -> None:
    """By the rule of all names."""
    assert "lower-case letters" in refusal(f'name = "Web"\n{ONE}').problem


def test_a_bad_workload_name_has_its_line() -> None:
    """The header's."""
    error = refusal('name = "web"\n\n[workload.Web]\nimage = "h:1/web"\n')
    assert (error.path, error.line) == ("workload.Web", 3)


def test_a_workload_is_a_table() -> None:
    """Not a string."""
    error = refusal('name = "web"\nworkload.web = "h:1/web"\n')
    assert (error.path, error.line) == ("workload.web", 2)


@pytest.mark.parametrize(
    ("key", "advice"), [("workloads", "workload"), ("services", "Compose")]
)
def test_an_unknown_table_is_refused(key: str, advice: str) -> None:
    """With what was probably meant."""
    assert advice in refusal(f'name = "web"\n[{key}.web]\n').problem


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name = "a"\nname = "b"\n', 2),
        (f'name = "web"\n{ONE}{ONE}', 4),
        (f'name = "web"\n{ONE}env = {{ A = "1", A = "2" }}\n', 4),
    ],
)
def test_a_name_used_twice_has_the_line_of_the_second(text: str, line: int) -> None:
    """TOML refuses it; we say so in our words."""
    error = refusal(text)
    assert "cannot use one name twice" in error.problem
    assert error.line == line


def test_a_syntax_error_has_its_line() -> None:
    """The one tomli names."""
    error = refusal('name = "web"\nreplicas = three\n')
    assert (error.line, "column 12" in error.problem) == (2, True)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "\ud800"])
def test_hostile_text_is_an_error_like_any_other(text: str) -> None:
    """Deep nesting, numbers without end and half characters."""
    assert "cannot read this as TOML" in refusal(text).problem


def test_a_file_too_long_is_not_read() -> None:
    """Before anything else is tried."""
    assert "at most 65536" in refusal("#" * 65537).problem


def test_too_many_workloads_are_refused() -> None:
    """As many as a document may carry, and no more."""
    tables = "".join(f'[workload.w{n}]\nimage = "h:1/w"\n' for n in range(65))
    assert "at most 64" in refusal(f'name = "web"\n{tables}').problem


@given(
    st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin"))
)
def test_any_text_is_a_manifest_or_a_manifest_error(text: str) -> None:
    """No other exception gets out."""
    with pytest.raises(ManifestError):
        manifest.parse(text)
