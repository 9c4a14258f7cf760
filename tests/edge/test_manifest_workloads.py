"""The fields of a workload: defaults, contradictions, and advice."""

import msgspec
import pytest

from edge import manifest
from edge.errors import ManifestError
from edge.manifest import workloads
from edge.model import Port, Workload


def workload(fields: str) -> Workload:
    """Return the workload with these lines."""
    text = f'name = "app"\n[workload.app]\nimage = "h:1/app:1"\n{fields}\n'
    return manifest.parse(text).workloads[0].template


def refusal(fields: str) -> ManifestError:
    """Return the error of a workload with these lines, the first of them line 4."""
    with pytest.raises(ManifestError, match="cannot ") as caught:
        workload(fields)
    return caught.value


def test_the_defaults_are_the_models() -> None:
    """Only replicas and failover are chosen here."""
    default = Workload(name="app", image=workload("").image)
    changed = msgspec.structs.replace(default, replicas=1, failover="available")
    assert workload("") == changed


def test_every_means_no_replicas_and_no_failover() -> None:
    """One on each device can not move to another."""
    found = workload('every = "role=sensor"')
    assert (found.replicas, found.failover) == (0, "none")


@pytest.mark.parametrize("failover", ["available", "strict"])
def test_every_with_a_failover_is_refused(failover: str) -> None:
    """A contradiction, with the line of the second half."""
    error = refusal(f'every = "*"\nfailover = "{failover}"')
    assert (error.path, error.line) == ("workload.app.failover", 5)


def test_every_with_failover_none_says_the_same_twice() -> None:
    """Which is allowed."""
    assert workload('every = "*"\nfailover = "none"').failover == "none"


def test_every_with_replicas_is_refused() -> None:
    """So many in all, or one on each: not both."""
    assert "both `every` and `replicas`" in refusal('every = "*"\nreplicas = 3').problem


def test_which_copy_stays_is_declared() -> None:
    """One policy a workload; without one, the copy that ran longest."""
    assert workload("").rejoin == "keep_longest"
    assert workload('rejoin = "keep_original"').rejoin == "keep_original"
    strict = workload('failover = "strict"\nrejoin = "keep_taker"')
    assert strict.rejoin == "keep_taker"


@pytest.mark.parametrize("failover", ['failover = "none"', 'every = "*"'])
def test_what_never_moves_has_no_policy(failover: str) -> None:
    """Two copies of one slot can never meet."""
    error = refusal(f'{failover}\nrejoin = "keep_taker"')
    assert (error.path, error.line) == ("workload.app.rejoin", 5)
    assert "never moves" in error.problem


def test_a_wrong_policy_names_the_right_ones() -> None:
    """All three, or the one that was nearly written."""
    assert "keep_original" in refusal('rejoin = "newest"').problem


@pytest.mark.parametrize(
    ("text", "seconds"), [('"3s"', 3.0), ("12.5", 12.5), ('"1h"', 3600.0)]
)
def test_a_lease_is_a_duration(text: str, seconds: float) -> None:
    """From 3 s to an hour."""
    assert workload(f'failover = "strict"\nlease = {text}').lease == seconds


@pytest.mark.parametrize("text", ['"2999ms"', '"61m"', "0", '"8"', "true"])
def test_a_lease_out_of_range_is_refused(text: str) -> None:
    """A shorter one would be lost at the first late packet."""
    assert refusal(f'failover = "strict"\nlease = {text}').line == 5


@pytest.mark.parametrize("mode", ["", 'failover = "available"', 'every = "*"'])
def test_only_strict_has_a_lease(mode: str) -> None:
    """Elsewhere nobody would ever ask for it."""
    error = refusal(f'lease = "8s"\n{mode}')
    assert (error.path, error.line) == ("workload.app.lease", 4)
    assert 'failover = "strict"' in error.problem


def test_an_image_is_needed() -> None:
    """The error stands at the table."""
    with pytest.raises(ManifestError, match="without an image") as caught:
        manifest.parse('name = "app"\n[workload.app]\nreplicas = 1\n')
    assert (caught.value.path, caught.value.line) == ("workload.app", 2)


@pytest.mark.parametrize(
    "text",
    [
        '{ role = "sensor", "fact.arch" = "arm64" }',
        '["role=sensor", "fact.arch=arm64"]',
    ],
)
def test_labels_are_a_table_or_a_list(text: str) -> None:
    """Both mean the same."""
    labels = {"role": "sensor", "fact.arch": "arm64"}
    assert workload(f"require = {text}").require == labels
    assert workload(f"prefer = {text}").prefer == labels


def test_two_values_of_one_label_are_refused() -> None:
    """No device has both."""
    assert "two values" in refusal('require = ["a=1", "a=2"]').problem


def test_an_unquoted_dot_in_a_label_gets_advice() -> None:
    """TOML reads it as a table in a table."""
    assert "quote it" in refusal('require = { fact.arch = "arm64" }').problem


@pytest.mark.parametrize(
    "text", ["{ role = 1 }", '{ "Role" = "x" }', '{ "a=b" = "c" }']
)
def test_a_bad_label_is_refused(text: str) -> None:
    """With its own place."""
    assert refusal(f"require = {text}").path.startswith("workload.app.require.")


@pytest.mark.parametrize("key", ["command", "entrypoint"])
def test_a_command_as_text_gets_advice(key: str) -> None:
    """No shell is between, so nobody splits it."""
    assert '["sh", "-c", "…"]' in refusal(f'{key} = "sleep 1"').problem
    assert getattr(workload(f'{key} = ["sleep", "1"]'), key) == ("sleep", "1")


def test_a_command_may_repeat_a_word() -> None:
    """Unlike other lists."""
    assert workload('command = ["a", "a"]').command == ("a", "a")


def test_a_number_in_a_command_has_its_place() -> None:
    """The item's own."""
    assert refusal('command = ["sleep", 1]').path == "workload.app.command[1]"


def test_a_number_in_the_environment_gets_advice() -> None:
    """The environment holds text."""
    error = refusal("env = { PORT = 80 }")
    assert (error.path, 'write "80"' in error.problem) == (
        "workload.app.env.PORT",
        True,
    )


def test_the_fencing_token_is_not_the_users() -> None:
    """The node sets it; two values would be one too many."""
    assert "EDGE_FENCE" in refusal('env = { EDGE_FENCE = "1" }').problem


@pytest.mark.parametrize("network", ["host", "none"])
def test_ports_need_a_network_of_their_own(network: str) -> None:
    """With the device's network, its ports are the device's."""
    error = refusal(f'network = "{network}"\nports = [80]')
    assert "leave `ports` out" in error.problem


@pytest.mark.parametrize("second", ["8080:81", "10.0.0.1:8080:80"])
def test_a_port_of_the_device_twice_is_refused(second: str) -> None:
    """Also when one of the two is every address."""
    assert "8080/tcp" in refusal(f'ports = ["8080:80", "{second}"]').problem


def test_one_number_may_be_udp_and_tcp() -> None:
    """They are different ports."""
    ports = (Port(host=53, container=53), Port(host=53, container=53, protocol="udp"))
    assert workload('ports = ["53", "53/udp"]').ports == ports


@pytest.mark.parametrize(
    "choice", ['every = "fact.arch=arm64"', 'require = { "fact.arch" = "arm64" }']
)
def test_what_a_device_says_of_itself_selects_no_secret(choice: str) -> None:
    """A thief's device would say it too."""
    error = refusal(f'{choice}\nsecrets = {{ token = "/run/secrets/token" }}')
    assert "use a label you gave it" in error.problem


def test_a_preferred_fact_is_no_selection() -> None:
    """It chooses among devices that may hold the secret anyway."""
    fields = 'prefer = ["fact.arch=arm64"]\nsecrets = { token = "/run/secrets/token" }'
    assert workload(fields).prefer == {"fact.arch": "arm64"}


@pytest.mark.parametrize(
    "key", [key for key, word in workloads.KEYS.items() if not word]
)
def test_every_known_key_is_read(key: str) -> None:
    """A field of the model that nobody reads would be ignored in silence."""
    text = f'name = "app"\n[workload.app]\n{key} = 2027-01-01\n'
    text += "" if key == "image" else 'image = "h:1/app:1"\n'
    with pytest.raises(ManifestError) as caught:
        manifest.parse(text)
    assert (caught.value.path, caught.value.line) == (f"workload.app.{key}", 3)


def test_the_known_keys_are_the_models_fields() -> None:
    """Except the name, which is in the header."""
    known = {key for key, advice in workloads.KEYS.items() if not advice}
    fields = {field.name for field in msgspec.structs.fields(Workload)}
    assert known == fields - {"name"}


@pytest.mark.parametrize("key", [key for key, word in workloads.KEYS.items() if word])
def test_a_word_of_another_tool_is_answered(key: str) -> None:
    """With ours."""
    assert workloads.KEYS[key] in refusal(f"{key} = 1").problem


def test_what_only_a_document_refuses_has_a_place() -> None:
    """The last net: limits of the shape itself."""
    ports = ", ".join(str(number) for number in range(1, 130))
    error = refusal(f"ports = [{ports}]")
    assert (error.path, error.line) == ("workload.app.ports", 4)
