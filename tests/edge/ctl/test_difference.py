"""Two versions of a deployment, compared as a person would read them."""

import msgspec
import pytest
from hypothesis import given

from edge.ctl import difference
from edge.ctl.difference import Field, Part
from edge.model import MIB, Health, Port, Resources, Volume, Workload
from edge.staging.shapes import Limit, Rollout, Wave
from tests.support import builders as a
from tests.support.strategies import values


def changed(**changes):
    """Return path → (before, after) of workload ``web`` with these changes."""
    new = a.workload("web", **changes)
    found = difference.fields(a.workload("web"), new)
    return {each.path: (each.before, each.after) for each in found}


def test_a_nested_field_has_the_path_of_the_manifest():
    """`resources.memory`, in the manifest's own unit; no limit is nothing."""
    found = changed(resources=Resources(memory=32 * MIB, cpus=0.25))
    assert found == {
        "resources.memory": ("", "32MiB"),
        "resources.cpus": ("", "0.25"),
    }


def test_an_image_is_its_tag_and_the_start_of_its_digest():
    """What one can compare with the registry by eye."""
    found = changed(image=a.image(tag="2", digest="sha256:" + "ab" * 32))
    assert found == {"image": ("web:1 (333333333333)", "web:2 (abababababab)")}


def test_a_tag_that_moved_shows_in_the_digest():
    """The same tag, another image."""
    ((before, after),) = changed(image=a.image(digest="sha256:" + "ab" * 32)).values()
    assert before != after
    assert after == "web:1 (abababababab)"


def test_an_image_for_other_architectures_is_shown_exactly():
    """Tag and digest alone would look alike."""
    found = a.image()
    one = msgspec.structs.replace(found, platforms=found.platforms[:1])
    ((before, after),) = changed(image=one).values()
    assert "arm64" in before
    assert "arm64" not in after


@pytest.mark.parametrize(
    ("changes", "path", "after"),
    [
        ({"env": {"A": "1"}}, "env.A", '"1"'),
        ({"env": {"A": ""}}, "env.A", '""'),
        ({"ports": (Port(host=80, container=8080),)}, "ports", "[80:8080]"),
        (
            {"ports": (Port(host=1, container=2, protocol="udp", address="10.0.0.1"),)},
            "ports",
            "[10.0.0.1:1:2/udp]",
        ),
        (
            {"volumes": (Volume(source="d", target="/x", read_only=True),)},
            "volumes",
            "[d:/x:ro]",
        ),
        ({"command": ("sh", "-c")}, "command", '["sh", "-c"]'),
        ({"stop_after": 90.0}, "stop_after", "90s"),
        ({"failover": "strict"}, "failover", '"strict"'),
        ({"init": False}, "init", "false"),
        ({"replicas": 3}, "replicas", "3"),
        ({"secrets": {"token": "/run/t"}}, "secrets.token", '"/run/t"'),
    ],
)
def test_a_value_is_spelled_as_in_a_manifest(changes, path, after):
    """So that one finds it there."""
    assert changed(**changes)[path][1] == after


def test_a_new_table_shows_its_fields():
    """A workload that gets a health check."""
    found = changed(health=Health(tcp=":80", every=1.0))
    assert found["health.tcp"] == ("", '":80"')
    assert found["health.every"] == ("", "1s")


@given(values(Workload), values(Workload))
def test_nothing_that_differs_is_left_out(old, new):
    """And nothing else is listed; no two lines look the same on both sides."""
    found = difference.fields(old, new)
    assert bool(found) == (old != new)
    assert all(each.before != each.after for each in found)
    assert difference.fields(old, old) == ()


ONE = a.deployment("web", 1)


def test_a_first_version_has_nothing_to_compare():
    """`plan` says that everything is new anyway."""
    assert difference.between(None, ONE) == ()


def test_numbers_dates_and_parents_are_no_difference():
    """They differ in each version."""
    assert difference.between(ONE, a.deployment("web", 2, parent=a.digest(ONE))) == ()


def test_workloads_come_and_go():
    """By name; a whole one is not listed field by field."""
    two = a.deployment("web", 2, workloads=(a.workload("api"),))
    assert difference.between(ONE, two) == (
        Part(name="api", kind="added"),
        Part(name="web", kind="removed"),
    )


def test_limits_of_the_rollout_are_compared_too():
    """Waves by what they hold."""
    old = a.deployment("web", 1, rollout=a.rollout())
    waves = (Wave(nodes=("n1",), share=2_500), Wave(share=10_000))
    limits = a.rollout(waves=waves, max_unavailable=Limit(share=1_250))
    (part,) = difference.between(old, a.deployment("web", 2, rollout=limits))
    assert part == Part(
        name="[rollout]",
        kind="changed",
        fields=(
            Field(path="max_unavailable", before="1", after="12.5%"),
            Field(path="waves", before="[n1, 100%]", after="[n1 and 25%, 100%]"),
        ),
    )


def test_a_rollout_that_is_new_is_one_line():
    """Its limits are told elsewhere."""
    new = a.deployment("web", 2, rollout=a.rollout())
    assert difference.between(ONE, new) == (Part(name="[rollout]", kind="added"),)


@given(values(Rollout), values(Rollout))
def test_no_limit_that_differs_is_left_out(old, new):
    """As with workloads."""
    assert bool(difference.fields(old, new)) == (old != new)


def test_a_long_wave_names_a_few():
    """A thousand names say less than four and a number."""
    names = tuple(f"n{number}" for number in range(1, 8))
    assert difference.wave(Wave(nodes=names)) == "n1, n2, n3, n4 and 3 more"
    assert difference.wave(Wave()) == "nobody"
