"""What the broker is told, line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import names, topics
from edge.errors import ConfigError
from edge.names import FleetName, NodeName
from hub import mosquitto_config
from hub.mosquitto_config import Limits, Settings

SETTINGS = Settings(folder="/var/lib/tutti-hub/broker")
SHOP, N1 = FleetName("shop"), NodeName("n1")


def options(settings: Settings = SETTINGS) -> dict[str, str]:
    """The configuration as option → value."""
    lines = mosquitto_config.config(settings).splitlines()
    pairs = (line.partition(" ") for line in lines if line and line[0] != "#")
    return {name: value for name, _, value in pairs}


def matches(pattern: str, topic: str, name: str) -> bool:
    """Mosquitto's rule: %u is the name, + one level, # the rest."""
    wanted, given_ = pattern.replace("%u", name).split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given_) or level not in {"+", given_[index]}:
            return False
    return len(wanted) == len(given_)


def granted(access: str, topic: str, name: str = "n1") -> bool:
    """Whether a device of this name may read or write a topic."""
    rules = mosquitto_config.acl(SHOP).splitlines()
    start = f"pattern {access} "
    patterns = [line.removeprefix(start) for line in rules if line.startswith(start)]
    return any(matches(pattern, topic, name) for pattern in patterns)


@pytest.mark.parametrize(
    "option",
    [
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "set_tcp_nodelay true",
        "tls_version tlsv1.3",
        "max_packet_size 2097152",
        "max_keepalive 3600",
        "max_queued_messages 20000",
        "max_queued_bytes 67108864",
        "memory_limit 536870912",
        "max_connections 12000",
        "persistent_client_expiration 1d",
        "crlfile /var/lib/tutti-hub/broker/crl.pem",
    ],
)
def test_every_limit_and_every_check_is_set(option):
    """None of them is the broker's default."""
    name, _, value = option.partition(" ")
    assert options()[name] == value


def test_limits_are_settings():
    """A bigger machine may serve more."""
    changed = Settings(folder="/x", limits=Limits(connections_max=7, save_every=9))
    found = options(changed)
    assert (found["max_connections"], found["autosave_interval"]) == ("7", "9")


@pytest.mark.parametrize(("address", "expected"), [("", "8883"), ("::1", "8883 ::1")])
def test_it_listens_where_it_is_told(address, expected):
    """Everywhere, or on one address."""
    assert options(Settings(folder="/x", address=address))["listener"] == expected


@pytest.mark.parametrize(("keeps_root", "account"), [(True, "root"), (False, None)])
def test_it_stays_root_only_when_told(keeps_root, account):
    """Without the line it changes to an account of its own."""
    found = options(Settings(folder="/x", keeps_root=keeps_root))
    assert found.get("user") == account


@pytest.mark.parametrize("bad", ["/a\nallow_anonymous true", "/a ", "\t/a", "/a\x00"])
@pytest.mark.parametrize("part", ["folder", "address"])
def test_a_value_cannot_become_another_line(bad, part):
    """A folder with a line break in its name would set an option."""
    with pytest.raises(ConfigError, match=f"cannot give the broker {part}"):
        mosquitto_config.config(Settings(**{"folder": "/x", part: bad}))


@given(st.text(max_size=20))
def test_no_fleet_name_writes_a_rule_of_its_own(name):
    """Whatever the name, the list has the lines it should, or there is none."""
    expected = mosquitto_config.acl(SHOP).count("\n")
    try:
        found = mosquitto_config.acl(FleetName(name))
    except ConfigError:
        assert not names.is_name(name)
    else:
        assert found.count("\n") == expected


@pytest.mark.parametrize("name", ["", "view.wall", "a b", "a\nuser Hub", "#"])
def test_no_dashboard_name_writes_a_rule_of_its_own(name):
    """Names arrive without their prefix, in the alphabet of names."""
    with pytest.raises(ConfigError, match="cannot write rules for dashboard"):
        mosquitto_config.acl(SHOP, [name])


def test_a_device_may_read_all_it_subscribes_to():
    """The rules and `edge.topics` do not drift apart."""
    for topic in topics.for_node(SHOP, N1):
        assert granted("read", topic)


@pytest.mark.parametrize(
    "topic", [topics.report, topics.status, topics.event, topics.telemetry_system]
)
def test_a_device_writes_its_own_and_never_its_neighbours(topic):
    """What `edge.topics` builds for a node, that node may write."""
    assert granted("write", topic(SHOP, N1))
    assert not granted("write", topic(SHOP, NodeName("n2")))


@pytest.mark.parametrize("topic", [topics.desired, topics.secrets])
def test_what_a_device_obeys_it_can_neither_write_nor_read_of_others(topic):
    """Only the hub writes there."""
    assert not granted("write", topic(SHOP, N1))
    assert not granted("read", topic(SHOP, NodeName("n2")))


def test_a_device_cannot_read_what_others_say():
    """Reports and telemetry are for the hub and dashboards."""
    for build in (topics.report, topics.status, topics.event, topics.telemetry_system):
        assert not granted("read", build(SHOP, N1))
        assert not granted("read", build(SHOP, NodeName("n2")))


def test_another_fleet_is_another_world():
    """Two fleets on one broker do not meet."""
    assert not granted("read", topics.desired(FleetName("else"), N1))


def test_the_hub_writes_everything_under_its_root():
    """And nothing above it."""
    assert "user Hub\ntopic readwrite edge/v1/shop/#\n" in mosquitto_config.acl(SHOP)


def test_a_dashboard_is_a_user_of_its_own():
    """Sorted and once each, so that an equal list is an equal file."""
    found = mosquitto_config.acl(SHOP, ["wall", "b", "wall"])
    assert found == mosquitto_config.acl(SHOP, ["b", "wall"])
    assert (
        "user view.b\n"
        "topic read edge/v1/shop/nodes/+/status\n"
        "topic read edge/v1/shop/nodes/+/telemetry/#\n"
    ) in found
