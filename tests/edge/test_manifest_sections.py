"""Resources, security and health of a workload."""

import pytest

from edge import manifest
from edge.errors import ManifestError
from edge.model import Health, Resources, Security, Workload


def workload(fields: str) -> Workload:
    """Return the workload with these lines."""
    text = f'name = "app"\n[workload.app]\nimage = "h:1/app:1"\n{fields}\n'
    return manifest.parse(text).workloads[0].template


def refusal(fields: str) -> ManifestError:
    """Return the error of a workload with these lines."""
    with pytest.raises(ManifestError, match="cannot ") as caught:
        workload(fields)
    return caught.value


def test_resources_are_read() -> None:
    """Sizes in bytes, cores as they are."""
    found = workload('resources = { memory = "32MiB", cpus = 1, pids = 10 }').resources
    assert found == Resources(memory=2**25, cpus=1.0, pids=10)


@pytest.mark.parametrize(
    "field",
    ["memory = 32", 'memory = "32"', "cpus = 0", "cpus = 0.001", "cpus = nan",
     'cpus = "1"', "pids = 0", "pids = 1.5", "disk = 1"],
)  # fmt: skip
def test_bad_resources_are_refused(field: str) -> None:
    """A forgotten unit, no number, less than the kernel can do."""
    key = field.partition(" ")[0]
    assert refusal(f"resources = {{ {field} }}").path == f"workload.app.resources.{key}"


def test_capabilities_have_one_spelling_and_order() -> None:
    """What is signed does not depend on how it was typed."""
    found = workload('security = { capabilities = ["CAP_SYS_TIME", "net_admin"] }')
    assert found.security.capabilities == ("NET_ADMIN", "SYS_TIME")


def test_a_capability_twice_is_refused_in_any_spelling() -> None:
    """The second is pointed at."""
    error = refusal('security = { capabilities = ["CHOWN", "CAP_CHOWN"] }')
    assert error.path == "workload.app.security.capabilities[1]"


@pytest.mark.parametrize(
    ("text", "is_on"),
    [("true", True), ("false", False), ('"unconfined"', False), ('"default"', True)],
)
def test_seccomp_is_a_switch_or_a_word(text: str, is_on: bool) -> None:
    """Both are known from other tools."""
    assert workload(f"security = {{ seccomp = {text} }}").security.seccomp is is_on


@pytest.mark.parametrize("text", ['"off"', "0"])
def test_another_word_for_seccomp_is_refused(text: str) -> None:
    """A profile's path for instance."""
    assert refusal(f"security = {{ seccomp = {text} }}").path.endswith(".seccomp")


def test_the_other_switches_are_read() -> None:
    """One weakens, one hardens."""
    found = workload("security = { privileges = true, read_only = true }").security
    assert found == Security(privileges=True, read_only=True)


def test_no_health_is_none() -> None:
    """Running is then all there is to say."""
    assert workload("").health is None


def test_health_is_read() -> None:
    """Durations in seconds."""
    text = 'tcp = ":80", every = "2s", timeout = 1, start_period = "1m", fail_after = 5'
    expected = Health(tcp=":80", every=2, timeout=1, start_period=60, fail_after=5)
    assert workload(f"health = {{ {text} }}").health == expected


@pytest.mark.parametrize(
    "probe", ['http = "http://:80/"', 'tcp = ":80"', 'command = ["true"]']
)
def test_each_probe_alone_is_enough(probe: str) -> None:
    """Three ways to ask."""
    assert workload(f"health = {{ {probe} }}").health is not None


@pytest.mark.parametrize(
    "probes",
    ["", 'every = "1s"', 'tcp = ":80", command = ["x"]', 'tcp = ""', "command = []"],
)
def test_any_other_number_of_probes_is_refused(probes: str) -> None:
    """Two could disagree, none says nothing."""
    assert "exactly one of" in refusal(f"health = {{ {probes} }}").problem


def test_a_probe_over_a_network_needs_one() -> None:
    """Nobody can connect to a container without a network."""
    error = refusal('network = "none"\nhealth = { tcp = ":80" }')
    assert error.path == "workload.app.health.tcp"
    assert workload('network = "none"\nhealth = { command = ["x"] }').health


@pytest.mark.parametrize(
    "field", ['every = "10ms"', 'timeout = "0s"', "fail_after = 0"]
)
def test_a_probe_that_asks_too_much_is_refused(field: str) -> None:
    """A device has other work to do."""
    assert "must be from" in refusal(f'health = {{ tcp = ":80", {field} }}').problem
