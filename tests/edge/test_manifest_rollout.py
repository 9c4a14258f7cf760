"""The ``[rollout]`` table: defaults by strategy, waves, windows, contradictions."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import manifest
from edge.errors import ManifestError
from edge.manifest import RolloutDraft, WaveDraft
from edge.staging.shapes import WHOLE, Limit, Window

ALL = WaveDraft(share=WHOLE)
HEAD = 'name = "web"\n[workload.web]\nimage = "h:1/web:1"\n'
NIGHT = 'window = { opens = "0 2 * * *", lasts = "2h" }'
LINE = 5
"""Where the first field stands."""


def rollout(*fields: str, workload: str = "") -> RolloutDraft:
    """Return the rollout with these lines."""
    lines = "\n".join(fields)
    found = manifest.parse(f"{HEAD}{workload}[rollout]\n{lines}\n", file="web.toml")
    assert found.rollout is not None
    return found.rollout


def refusal(*fields: str, workload: str = "") -> ManifestError:
    """Return the error of a rollout with these lines."""
    with pytest.raises(ManifestError, match="cannot ") as caught:
        rollout(*fields, workload=workload)
    return caught.value


def test_an_empty_table_is_a_rolling_change() -> None:
    """Everybody is one wave, one replica at a time."""
    found = rollout()
    assert found.waves == (ALL,)
    assert found.template.strategy == "rolling"
    assert found.template.max_unavailable == Limit(count=1)


def test_a_canary_goes_first_by_default() -> None:
    """One device, then the rest."""
    assert rollout('strategy = "canary"').waves == (WaveDraft(count=1), ALL)


def test_all_at_once_has_no_limit() -> None:
    """It is watched, and there is a way back: that is all."""
    found = rollout('strategy = "all-at-once"', 'waves = ["100%"]')
    assert found.waves == (ALL,)
    assert found.template.max_unavailable == Limit(share=WHOLE)


def test_every_field_is_read() -> None:
    """In seconds, names and shares."""
    found = rollout(
        'strategy = "canary"',
        'waves = [1, "site=lab", "3", "role=test", "2.5%", "50%", "100%"]',
        'max_unavailable = "25%"',
        'group_by = "site"',
        'healthy_for = "30s"',
        'progress_deadline = "5m"',
        'on_failure = "pause"',
        'order = "stop-first"',
        'window = { opens = " 0  2 * * 1-5", lasts = "2h", zone = "Europe/Berlin",'
        ' spread = "20m" }',
    )
    assert found.waves == (
        WaveDraft(count=1),
        WaveDraft(label=("site", "lab")),
        WaveDraft(count=3),
        WaveDraft(label=("role", "test")),
        WaveDraft(share=250),
        WaveDraft(share=5000),
        ALL,
    )
    template = found.template
    assert (template.max_unavailable, template.group_by) == (Limit(share=2500), "site")
    assert (template.healthy_for, template.progress_deadline) == (30.0, 300.0)
    assert (template.on_failure, template.order) == ("pause", "stop-first")
    assert template.window == Window(
        opens="0 2 * * 1-5", lasts=7200.0, zone="Europe/Berlin", spread=1200.0
    )


@pytest.mark.parametrize(
    ("waves", "path", "problem"),
    [
        ("[]", "waves", "the last wave is the whole fleet"),
        ('["1", "50%"]', "waves", 'end with "100%"'),
        ('["100%", "1"]', "waves", 'end with "100%"'),
        ('["2", "1", "100%"]', "waves[1]", "cannot shrink"),
        ('["site=a", "20%", "10%", "100%"]', "waves[2]", "cannot shrink"),
        ('["10%", "3", "100%"]', "waves[1]", "write counts first"),
        ('["1", "1", "100%"]', "waves[1]", 'cannot have "1" twice'),
        ('["0", "100%"]', "waves[0]", 'write a count "1", a share "10%"'),
        ('["half", "100%"]', "waves[0]", 'a label "site=lab"'),
        ('["0%", "100%"]', "waves[0]", "a share is from 0.01% to 100%"),
        ('["101%", "100%"]', "waves[0]", "a share is from 0.01% to 100%"),
        ('["Site lab=1", "100%"]', "waves[0]", "write a label such as"),
        ("[true]", "waves[0]", "write text in quotes"),
        ('"100%"', "waves", "write a list"),
        (str([*range(1, 33), "100%"]), "waves", "at most 32"),
    ],
)
def test_waves_that_make_no_sense_are_refused(
    waves: str, path: str, problem: str
) -> None:
    """They grow, and end with everybody."""
    error = refusal(f"waves = {waves}")
    assert (error.path, error.line) == (f"rollout.{path}", LINE)
    assert problem in error.problem


@pytest.mark.parametrize(
    ("field", "key", "problem"),
    [
        ('strategy = "waves"', "strategy", "write one of"),
        ('keep_for = "1h"', "keep_for", "only a blue-green rollout has one"),
        ("max_unavailable = -1", "max_unavailable", "must be from 0 to 10000"),
        ('max_unavailable = "1"', "max_unavailable", "write a count, 1, or a share"),
        ('max_unavailable = "0%"', "max_unavailable", "from 0.01% to 100%"),
        ('group_by = "label"', "group_by", 'write one of "site"'),
        ('on_failure = "stop"', "on_failure", "write one of"),
        ('healthy_for = "11m"', "healthy_for", "shorter healthy_for"),
        ('progress_deadline = "5s"', "progress_deadline", "longer progress_deadline"),
        ("max_parallel = 2", "max_parallel", "write max_unavailable"),
        ("wave = []", "wave", "did you mean waves?"),
    ],
)
def test_a_bad_field_has_its_line(field: str, key: str, problem: str) -> None:
    """Like every other of the file."""
    error = refusal(field)
    assert str(error).startswith(f"web.toml:{LINE}: rollout.{key}: cannot ")
    assert problem in error.problem


@pytest.mark.parametrize(
    ("field", "key", "problem"),
    [
        ('waves = ["1", "100%"]', "waves", 'write strategy = "rolling"'),
        ("max_unavailable = 1", "max_unavailable", 'write strategy = "rolling"'),
        ('group_by = "site"', "group_by", 'write strategy = "rolling"'),
    ],
)
def test_all_at_once_takes_no_limits(field: str, key: str, problem: str) -> None:
    """Both cannot be meant."""
    error = refusal('strategy = "all-at-once"', field)
    assert (error.path, error.line) == (f"rollout.{key}", LINE + 1)
    assert problem in error.problem


def test_blue_green_brings_up_a_whole_set_and_keeps_the_old_one() -> None:
    """On ports of its own; which ones are free is seen when it is signed."""
    port = 'ports = ["8080:80"]\n'
    found = rollout('strategy = "blue-green"', workload=port)
    assert found.waves == (ALL,)
    assert found.template.max_unavailable == Limit(share=WHOLE)
    assert found.template.keep_for == 600.0
    kept = rollout('strategy = "blue-green"', 'keep_for = "2h"', 'waves = ["100%"]')
    assert kept.template.keep_for == 7200.0


@pytest.mark.parametrize(
    ("field", "key", "problem"),
    [
        ('waves = ["1", "100%"]', "waves", "one promote switches to all of it"),
        ("max_unavailable = 1", "max_unavailable", "the old set serves until the"),
        ('group_by = "site"', "group_by", "the old set serves until the promote"),
        ('keep_for = "-1s"', "keep_for", "cannot "),
        ('order = "stop-first"', "order", "the manifest says so"),
    ],
)
def test_two_sets_take_no_limits(field: str, key: str, problem: str) -> None:
    """Nobody is away while both run."""
    error = refusal('strategy = "blue-green"', field)
    assert str(error).startswith(f"web.toml:{LINE + 1}: rollout.{key}: cannot ")
    assert problem in error.problem


@pytest.mark.parametrize(
    ("workload", "problem"),
    [
        ('failover = "strict"\n', "strict work never runs twice"),
        ('network = "host"\n', "both would listen on the host's network"),
        ('volumes = ["files:/data"]\n', "both would write to volume files"),
        ('devices = ["/dev/video0"]\n', "both would use /dev/video0"),
    ],
)
def test_what_can_never_be_in_two_sets_is_refused(workload: str, problem: str) -> None:
    """Before anybody knows what runs."""
    error = refusal('strategy = "blue-green"', workload=workload)
    assert (error.path, error.line) == ("rollout.strategy", LINE + 1)
    assert f"cannot run two sets of web: {problem}; write strategy" in error.problem
    vouched = ('strategy = "blue-green"', 'order = "start-first"')
    if "strict" in workload:
        assert "strict" in refusal(*vouched, workload=workload).problem
    else:
        assert rollout(*vouched, workload=workload).template.order == "start-first"


def test_a_canary_needs_a_wave_of_its_own() -> None:
    """Or it is no canary."""
    error = refusal('strategy = "canary"', 'waves = ["100%"]')
    assert error.problem == (
        "cannot try it on a canary: there is no wave before the whole fleet; write"
        ' waves = ["1", "100%"]'
    )


def test_a_limit_under_which_nothing_changes_is_refused() -> None:
    """None may stop, and each must."""
    error = refusal('order = "stop-first"', "max_unavailable = 0")
    assert (error.path, error.line) == ("rollout.max_unavailable", LINE + 1)
    assert "cannot stop the old copy first" in error.problem
    assert rollout("max_unavailable = 0").template.max_unavailable == Limit()


@pytest.mark.parametrize(
    ("workload", "problem"),
    [
        ('ports = ["8080:80"]\n', "host port 8080 is held by the one that runs"),
        ('failover = "strict"\n', "strict work never runs twice"),
    ],
)
def test_two_copies_that_exclude_each_other_are_refused(
    workload: str, problem: str
) -> None:
    """Only where it was asked for: by itself Tutti stops such a one first."""
    error = refusal('order = "start-first"', workload=workload)
    assert (error.path, error.line) == ("rollout.order", LINE + 1)
    assert problem in error.problem
    assert rollout(workload=workload).template.order == "auto"


def test_a_copy_that_must_stop_while_none_may_is_refused() -> None:
    """It would never be replaced."""
    port = 'ports = ["8080:80"]\n'
    error = refusal("max_unavailable = 0", workload=port)
    assert (error.path, error.line) == ("rollout.max_unavailable", LINE + 1)
    assert "cannot replace web when none may be unavailable" in error.problem
    assert "host port 8080 is held by the one that runs" in error.problem


def test_a_window_needs_no_more_than_two_fields() -> None:
    """In UTC, everybody at once."""
    assert rollout(NIGHT).template.window == Window(opens="0 2 * * *", lasts=7200.0)


@pytest.mark.parametrize(
    ("fields", "key", "problem"),
    [
        ('lasts = "2h"', "", 'write opens = "0 2 * * *"'),
        ('opens = "0 2 * * *"', "", 'write lasts = "2h"'),
        ('opens = "0 0 30 2 *", lasts = "2h"', ".opens", "never opens"),
        ('opens = "0 2 * *", lasts = "2h"', ".opens", "it has 4 fields"),
        ('opens = "0 25 * * *", lasts = "2h"', ".opens", "cannot use the hour '25'"),
        ('opens = "0 2 * * *", lasts = "1s"', ".lasts", "must be from 60"),
        (
            'opens = "0 2 * * *", lasts = "1h", zone = "Mars/Base"',
            ".zone",
            "no such time zone",
        ),
        (
            'opens = "0 2 * * *", lasts = "1h", spread = "1h"',
            ".spread",
            "must be shorter than what the window lasts",
        ),
        ('cron = "0 2 * * *"', ".cron", "write opens"),
    ],
)
def test_a_window_that_never_opens_is_refused(
    fields: str, key: str, problem: str
) -> None:
    """Nor one that opens for nobody."""
    error = refusal(f"window = {{ {fields} }}")
    assert (error.path, error.line) == (f"rollout.window{key}", LINE)
    assert problem in error.problem


WAVES = st.one_of(
    st.integers(1, 99).map(str),
    st.integers(1, 100).map("{}%".format),
    st.sampled_from(["site=a", "site=b", "role=x"]),
)


@given(st.lists(WAVES, max_size=6))
def test_waves_are_refused_or_grow(written: list[str]) -> None:
    """Whatever the order in which they were written."""
    texts = ", ".join(f'"{each}"' for each in written)
    waves: tuple[WaveDraft, ...] = (ALL,)
    with contextlib.suppress(ManifestError):
        waves = rollout(f"waves = [{texts}]").waves
    shares = [each.share for each in waves if each.share]
    counts = [each.count for each in waves if each.count]
    assert waves[-1] == ALL
    assert shares == sorted(set(shares))
    assert counts == sorted(set(counts))
