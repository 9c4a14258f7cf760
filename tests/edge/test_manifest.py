"""Whole manifests, as people write them: read, resolved, signed, read back."""

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import documents, envelope, manifest
from edge.documents import Deployment
from edge.errors import ManifestError
from edge.manifest import WaveDraft, kernel
from edge.model import Health, Image, Port, Resources, Security, Workload
from edge.staging.shapes import Rollout, Window
from tests.support import builders

WEB = """\
# Three replicas of a small web server, moved to a neighbour when a device dies.
name = "web"

[workload.web]
image = "10.90.0.1:5000/web:1"
ports = ["8080:80"]
env = { GREETING = "hello" }
replicas = 3
failover = "available"
resources = { memory = "32MiB", cpus = 0.25 }
health = {
  http = "http://:80/healthz",
  every = "1s",
  fail_after = 3,
}
"""
SENSOR = """\
# One on every device that carries the label, never moved.
name = "sensor"

[workload.reader]
image = "10.90.0.1:5000/web:1"
every = "role=sensor"
failover = "none"
secrets = { token = "/run/secrets/token" }
"""
RECORDER = """\
# A singleton that must never run twice.
name = "recorder"

[workload.recorder]
image = "10.90.0.1:5000/web:1"
replicas = 1
failover = "strict"
health = { tcp = ":80", every = "2s", fail_after = 3 }
"""
NEXT_WEB = """\
# The next version, one device first, then the rest; back by itself when health fails.
name = "web"

[workload.web]
image = "10.90.0.1:5000/web:2"
ports = ["8080:80"]
replicas = 3

[rollout]
strategy = "canary"
waves = ["1", "100%"]
healthy_for = "3s"
max_unavailable = 1
progress_deadline = "60s"
on_failure = "rollback"
"""
WRITTEN = "10.90.0.1:5000/web:1"
PINNED = builders.image(reference="10.90.0.1:5000/web", tag="1")


def signed_and_read(text: str, image: Image = PINNED) -> documents.Document:
    """Return the deployment of a manifest after signing, travel and reading."""
    parsed = manifest.parse(text)
    workloads = manifest.resolve(parsed, dict.fromkeys(manifest.images(parsed), image))
    sent = builders.deployment(parsed.name, workloads=workloads)
    travelled = envelope.decode(documents.sign(sent, builders.OPERATOR))
    read = documents.parse(travelled.payload_type, travelled.body)
    assert read == sent
    return read


def test_a_web_server_is_read() -> None:
    """Ports, limits and a probe in an inline table of several lines."""
    web = manifest.parse(WEB).workloads[0].template
    assert web.ports == (Port(host=8080, container=80),)
    assert web.resources == Resources(memory=2**25, cpus=0.25)
    assert web.health == Health(http="http://:80/healthz", every=1.0, fail_after=3)


def test_a_sensor_is_read() -> None:
    """One on each device with the label, with a secret."""
    reader = manifest.parse(SENSOR).workloads[0].template
    assert (reader.every, reader.replicas) == ("role=sensor", 0)
    assert reader.secrets == {"token": "/run/secrets/token"}


def test_a_singleton_is_read() -> None:
    """At most one, on a lease of 8 s."""
    recorder = manifest.parse(RECORDER).workloads[0].template
    assert (recorder.replicas, recorder.failover) == (1, "strict")
    assert (recorder.lease, recorder.rejoin) == (8.0, "keep_longest")


def test_a_canary_is_read() -> None:
    """One device first, then everybody."""
    rollout = manifest.parse(NEXT_WEB).rollout
    assert rollout is not None
    assert rollout.waves == (WaveDraft(count=1), WaveDraft(share=10_000))
    assert (rollout.template.healthy_for, rollout.template.on_failure) == (
        3.0,
        "rollback",
    )


@pytest.mark.parametrize("text", [WEB, SENSOR, RECORDER])
def test_what_was_read_can_be_signed(text: str) -> None:
    """And comes out as it went in."""
    assert isinstance(signed_and_read(text), Deployment)


ALL_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXTS = ALL_TEXTS.filter(lambda text: "\0" not in text)
NAMES = st.text("abc019", min_size=1, max_size=3)
LABELS = st.dictionaries(NAMES, st.text("abcABC019", max_size=3), max_size=2)
PATHS = st.lists(NAMES, min_size=2, max_size=3).map(lambda steps: "/" + "/".join(steps))
NUMBERS = st.integers(1, 65535)
PORTS = NUMBERS | st.tuples(NUMBERS, NUMBERS).map("{0[0]}:{0[1]}/udp".format)
VOLUMES = st.tuples(NAMES | PATHS, PATHS).map("{0[0]}:{0[1]}:ro".format)
SIZES = st.integers(1, 999).map("{}MiB".format) | st.integers(2**20, 2**53 - 1)
PAUSES = st.integers(1, 60).flatmap(
    lambda count: st.sampled_from([count, float(count), f"{count}s", f"{count}000ms"])
)
RESOURCES = {
    "memory": SIZES,
    "cpus": st.floats(0.01, 64),
    "pids": st.integers(1, 9999),
}
SECURITY = {
    "capabilities": st.lists(
        st.sampled_from(sorted(kernel.CAPABILITIES)), max_size=2, unique=True
    ),
    "seccomp": st.sampled_from([True, False, "unconfined"]),
    "privileges": st.booleans(),
    "read_only": st.booleans(),
}
HEALTH = {"every": PAUSES, "timeout": PAUSES}


def few(
    items: st.SearchStrategy[Any], key: Callable[[Any], object] | None = None
) -> st.SearchStrategy[list[Any]]:
    """Return lists of at most two items that differ."""
    return st.lists(items, max_size=2, unique_by=key or str)


def subset(
    fields: dict[str, st.SearchStrategy[Any]], **always: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Return tables with some of the fields."""
    return st.fixed_dictionaries(always, optional=fields)


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "require": LABELS,
    "prefer": LABELS,
    "sites": few(NAMES),
    "command": few(TEXTS),
    "entrypoint": few(TEXTS),
    "env": st.dictionaries(st.text("ABC_", min_size=1, max_size=3), TEXTS, max_size=2),
    "user": NAMES,
    "working_folder": PATHS,
    "ports": few(PORTS, lambda port: str(port).partition(":")[0]),
    "volumes": few(VOLUMES, lambda volume: volume.split(":")[1]),
    "devices": few(NAMES.map("/dev/{}".format)),
    "secrets": few(NAMES).map(lambda names: {name: f"/run/s/{name}" for name in names}),
    "resources": subset(RESOURCES),
    "security": subset(SECURITY),
    "health": subset(HEALTH, tcp=NUMBERS.map(":{}".format)),
    "init": st.booleans(),
    "stop_signal": st.sampled_from(sorted(kernel.SIGNALS)),
    "stop_after": PAUSES,
    "takers": st.integers(0, 9),
    "replicas": st.integers(0, 99),
    "failover": st.sampled_from(["available", "strict", "none"]),
}


def toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = [f"{toml(key)} = {toml(item)}" for key, item in value.items()]
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        escaped = "".join(f"\\U{ord(sign):08X}" for sign in value)
        return f'"{escaped}"'
    return repr(value)


def text_of(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a manifest with these workloads."""
    text = 'name = "app"\n'
    for name, table in tables.items():
        text += f'[workload.{name}]\nimage = "{WRITTEN}"\n'
        text += "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
    return text


@given(st.dictionaries(NAMES, subset(FIELDS), min_size=1, max_size=2))
def test_whatever_is_read_can_be_signed_and_read_back(
    tables: dict[str, dict[str, Any]],
) -> None:
    """What the manifest accepts, every device accepts."""
    assert isinstance(signed_and_read(text_of(tables)), Deployment)


ANY = st.recursive(
    ALL_TEXTS | st.integers() | st.floats() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "every", "network"]), ANY, max_size=4))
def test_any_value_in_any_field_is_read_or_refused(table: dict[str, Any]) -> None:
    """No other exception, and nothing accepted that can not be signed."""
    with contextlib.suppress(ManifestError):
        assert isinstance(signed_and_read(text_of({"app": table})), Deployment)


REFERENCE = (Path(__file__).parents[2] / "docs/manifest.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", REFERENCE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_reference_can_be_deployed(text: str) -> None:
    """Whoever copies it gets what it says."""
    assert isinstance(signed_and_read(text), Deployment)


@pytest.mark.parametrize(
    "shape", [Workload, Resources, Health, Security, Rollout, Window]
)
def test_the_reference_names_every_field(shape: type[msgspec.Struct]) -> None:
    """In a row of its own."""
    keys = {field.name for field in msgspec.structs.fields(shape)}
    tables = {"resources", "health", "security", "window"}
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", REFERENCE, re.MULTILINE))
    assert keys - tables - rows == set()
