"""Ports, volumes, labels, names and paths as people write them."""

from collections.abc import Callable

import pytest

from edge.manifest import parts
from edge.model import Port, Volume


def refusal(convert: Callable[[object], object], value: object) -> str:
    """Return the sentence a converter refuses a value with."""
    with pytest.raises(ValueError, match=r"^cannot ") as caught:
        convert(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("8080:80", Port(host=8080, container=80)),
        ("8080:80/udp", Port(host=8080, container=80, protocol="udp")),
        ("10.0.0.1:8080:80", Port(host=8080, container=80, address="10.0.0.1")),
        ("[::1]:8080:80", Port(host=8080, container=80, address="::1")),
        ("10.0.0.1:80", Port(host=80, container=80, address="10.0.0.1")),
        ("80", Port(host=80, container=80)),
        (80, Port(host=80, container=80)),
    ],
)
def test_a_port_is_read(text: object, port: Port) -> None:
    """Device first, container second, as everywhere."""
    assert parts.port(text) == port


@pytest.mark.parametrize(
    "value",
    ["", "a:b", "80/sctp", "8000-8010:80", "1:2:3", "10.0.0.300:1:2", True, 8.5, "٨:1"],
)
def test_a_bad_port_is_refused(value: object) -> None:
    """The answer shows the spellings there are."""
    assert '"8080:80/udp"' in refusal(parts.port, value)


@pytest.mark.parametrize("value", [0, 65536, "0:80", "80:65536", "99999"])
def test_a_port_out_of_range_is_refused(value: object) -> None:
    """Port 0 means "any" to a kernel and nothing to a fleet."""
    assert "from 1 to 65535" in refusal(parts.port, value)


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("data:/var/lib/x", Volume(source="data", target="/var/lib/x")),
        (
            "/host/path:/in:ro",
            Volume(source="/host/path", target="/in", read_only=True),
        ),
        ("data:/in:rw", Volume(source="data", target="/in")),
    ],
)
def test_a_volume_is_read(text: str, volume: Volume) -> None:
    """A name, or a path of the device, and where it is inside."""
    assert parts.volume(text) == volume


@pytest.mark.parametrize(
    "value",
    ["data", "data:", "data:/in:rx", "Data:/in", "data:in", "/:/in", "/a/../b:/in",
     "a:/in/", "a:/", "./a:/in", "/a:/in\x1b[2J", 5],
)  # fmt: skip
def test_a_bad_volume_is_refused(value: object) -> None:
    """Neither a path that moves nor one that steers a terminal."""
    assert refusal(parts.volume, value)


@pytest.mark.parametrize("text", ["role=sensor", "fact.arch=arm64", "a/b=", "x=1.2"])
def test_a_label_is_read(text: str) -> None:
    """What a device says of itself may be asked for too."""
    assert "=".join(parts.label(text)) == text


@pytest.mark.parametrize("text", ["role", "=x", "Role=x", "role=a b", "role=a=b", "*"])
def test_a_bad_label_is_refused(text: str) -> None:
    """The answer shows one."""
    assert '"role=sensor"' in refusal(parts.label, text)


@pytest.mark.parametrize("text", ["*", "role=sensor"])
def test_every_takes_a_label_or_a_star(text: str) -> None:
    """A star means all devices."""
    assert parts.every(text) == text


@pytest.mark.parametrize("text", ["Web", "-web", "web_1", "", "w" * 64])
def test_a_bad_name_is_refused(text: str) -> None:
    """The rule is said in words."""
    assert "lower-case letters" in refusal(parts.name, text)


@pytest.mark.parametrize("text", ["1000", "app", "app:app", "0:0", "www-data"])
def test_a_user_is_read(text: str) -> None:
    """By name or number, with or without a group."""
    assert parts.user(text) == text


@pytest.mark.parametrize("value", [1000, "a b", ":app", "a:b:c", ""])
def test_a_bad_user_is_refused(value: object) -> None:
    """A number stands in quotes."""
    assert refusal(parts.user, value)


@pytest.mark.parametrize(("value", "advice"), [(80, '"80"'), (True, '"true"')])
def test_a_bare_value_in_the_environment_gets_advice(
    value: object, advice: str
) -> None:
    """The answer can be copied."""
    assert f"write {advice}" in refusal(parts.setting, value)
    assert f"write {advice}" in refusal(parts.argument, value)


@pytest.mark.parametrize("text", ["A=B", "1A", "", "A B"])
def test_a_bad_variable_is_refused(text: str) -> None:
    """An = in a name would end it."""
    assert "a variable is" in refusal(parts.variable, text)


@pytest.mark.parametrize("text", ["/dev/video0", "/dev/bus/usb/001"])
def test_a_device_is_read(text: str) -> None:
    """Anything under /dev."""
    assert parts.device(text) == text


@pytest.mark.parametrize("text", ["video0", "/dev", "/etc/shadow", "/dev/../etc/x"])
def test_what_is_no_device_is_refused(text: str) -> None:
    """A path elsewhere is a volume, and shown as one."""
    assert refusal(parts.device, text)


@pytest.mark.parametrize(
    "text", ["http://:80/healthz", "http://10.0.0.1:80", "http://web.local/x?y=1"]
)
def test_an_http_probe_is_read(text: str) -> None:
    """An empty host is the container."""
    assert parts.http(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://:443/",
        "http:///x",
        ":80",
        "http://:80/a b",
        "http://u@h:80/",
        "http://:0/",
    ],
)
def test_a_bad_http_probe_is_refused(text: str) -> None:
    """Probes speak plain HTTP, to a host or a port, with nobody's password."""
    assert refusal(parts.http, text)


@pytest.mark.parametrize("text", [":80", "10.0.0.1:80", "[::1]:80", "db.local:5432"])
def test_a_tcp_probe_is_read(text: str) -> None:
    """A port, and a host when it is another."""
    assert parts.tcp(text) == text


@pytest.mark.parametrize("text", ["80", ":0", ":70000", "host", "tcp://:80"])
def test_a_bad_tcp_probe_is_refused(text: str) -> None:
    """A port from 1 to 65535."""
    assert refusal(parts.tcp, text)
