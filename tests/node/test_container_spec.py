"""What Podman is told to create, and what counts as the same container."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.model import Health, Port, Resources, Security, Volume
from node import container_spec
from node.container_spec import Host
from tests.support.replicas import HOST, a_replica, a_workload, image, image_id


def rendered(slot: str = "web/web.1", **changes):
    """Return the create call's body for a workload with these changes."""
    return container_spec.render(a_replica(slot, workload=a_workload(**changes)), HOST)


def test_everything_is_taken_away_by_default():
    """Whoever wrote nothing gets the hardened container."""
    spec = rendered()
    assert (spec["cap_drop"], spec["cap_add"]) == (["all"], [])
    assert spec["no_new_privileges"] is True
    assert "seccomp_profile_path" not in spec
    assert spec["resource_limits"]["pids"] == {"limit": 256}
    assert spec["init"] is True


def test_each_weakening_is_its_own_field():
    """None brings another with it."""
    weak = Security(capabilities=("NET_RAW",), privileges=True, seccomp=False)
    spec = rendered(security=weak)
    assert spec["cap_add"] == ["CAP_NET_RAW"]
    assert spec["no_new_privileges"] is False
    assert spec["seccomp_profile_path"] == "unconfined"
    assert spec["read_only_filesystem"] is False


def test_limits_are_given_the_way_podman_enforces_them():
    """Quota and period; memory and swap alike; never less than the kernel takes."""
    limits = rendered(resources=Resources(memory=1024, cpus=0.25))["resource_limits"]
    assert limits["cpu"] == {"quota": 25_000, "period": 100_000}
    assert limits["memory"] == {"limit": 1024, "swap": 1024}
    tiny = rendered(resources=Resources(cpus=0.001))["resource_limits"]
    assert tiny["cpu"]["quota"] == container_spec.CPU_QUOTA_MIN


def test_the_image_is_named_by_its_id():
    """A tag may be moved by anybody on the device."""
    assert rendered()["image"] == image_id().removeprefix("sha256:")


def test_an_image_of_another_architecture_is_not_taken():
    """Running the wrong one would at best fail."""
    assert container_spec.image_id(a_replica(), "arm64") == ""


def test_ports_are_published_on_the_bridge_only():
    """On the host's network they are the container's own anyway."""
    port = Port(host=8080, container=80, protocol="udp", address="10.0.0.1")
    assert rendered(ports=(port,))["portmappings"] == [
        {
            "host_ip": "10.0.0.1",
            "host_port": 8080,
            "container_port": 80,
            "protocol": "udp",
        }
    ]
    assert "portmappings" not in rendered(ports=(port,), network="host")


def test_low_ports_are_free_in_a_network_of_its_own():
    """On the host's they stay protected."""
    assert rendered()["sysctl"] == {container_spec.UNPRIVILEGED_PORTS: "0"}
    assert "sysctl" not in rendered(network="host")


def test_a_host_name_is_a_dns_label():
    """Whatever the slot looks like; on the host's network it is the host's."""
    long = f"web/{'w' * 63}.1"
    assert rendered("db/agent@n1")["hostname"] == "agent-n1"
    assert rendered(long)["hostname"] == "w" * 63
    assert "hostname" not in rendered(network="host")


def test_ours_win_over_the_manifests_words():
    """A manifest cannot pretend to be another slot."""
    env = rendered(env={"EDGE_SLOT": "x", "A": "b"})["env"]
    assert (env["EDGE_SLOT"], env["A"], env["EDGE_REVISION"]) == ("web/web.1", "b", "1")


def test_podman_repairs_all_but_strict_replicas():
    """Those run at most once, which Podman cannot know."""
    assert rendered()["restart_policy"] == "on-failure"
    assert rendered(failover="strict")["restart_policy"] == "no"


def test_named_volumes_belong_to_their_deployment():
    """Two deployments that say "data" do not share it."""
    volumes = (
        Volume(source="data", target="/d"),
        Volume(source="/srv", target="/s", read_only=True),
    )
    spec = rendered(volumes=volumes)
    assert spec["volumes"][0]["Name"] == "tutti-web_data"
    assert spec["mounts"][0]["Options"] == ["rbind", "ro"]


def test_secrets_are_mounted_read_only_from_the_vault():
    """The folder, so that a new value is seen."""
    spec = rendered(secrets={"token": "/run/secrets/token"})
    assert spec["mounts"] == [
        {
            "Type": "bind",
            "Source": "/run/x/secrets/tutti-web_web.1_r1/run_secrets",
            "Destination": "/run/secrets",
            "Options": ["rbind", "ro", "nosuid", "nodev", "noexec"],
        }
    ]


def test_logs_are_bounded_and_image_health_checks_are_off():
    """Podman would run them by systemd timers, beside our own probes."""
    spec = rendered()
    assert spec["log_configuration"]["size"] == container_spec.LOG_BYTES
    assert spec["healthconfig"] == {"Test": ["NONE"]}


@pytest.mark.parametrize(("word", "number"), [("SIGINT", 2), ("TERM", 15), ("9", 9)])
def test_stop_signals_are_numbers_to_podman(word, number):
    """However people spell them."""
    assert rendered(stop_signal=word)["stop_signal"] == number


def test_an_unknown_stop_signal_is_refused():
    """With those that are known."""
    with pytest.raises(ConfigError, match="TERM"):
        rendered(stop_signal="SIGNOPE")


def test_what_is_not_asked_for_is_left_to_the_image():
    """Command, entry point, user and folder are the image's own then."""
    spec = rendered()
    asked = {"command", "entrypoint", "user", "work_dir", "stop_signal"}
    assert asked.isdisjoint(spec)
    assert rendered(user="web", command=("a",))["user"] == "web"


def test_labels_come_back_as_they_were_written():
    """The node rebuilds its picture from them."""
    wanted = a_replica("db/agent@n1", 7, term=3)
    labels = container_spec.render(wanted, HOST)["labels"]
    found = container_spec.read_labels(labels, HOST.fleet)
    assert found is not None
    assert (found.slot, found.version, found.term) == (wanted.slot, 7, 3)
    assert found.spec == container_spec.digest(wanted, HOST)


@pytest.mark.parametrize(
    "change",
    [
        {container_spec.FLEET_LABEL: "other"},
        {container_spec.SLOT_LABEL: ""},
        {container_spec.REVISION_LABEL: "x"},
        {container_spec.TERM_LABEL: ""},
    ],
)
def test_a_container_without_all_our_labels_is_not_ours(change):
    """And is never touched."""
    labels = container_spec.render(a_replica(), HOST)["labels"] | change
    assert container_spec.read_labels(labels, HOST.fleet) is None
    assert container_spec.read_labels(None, HOST.fleet) is None


@pytest.mark.parametrize(
    "change",
    [
        {"env": {"A": "b"}},
        {"command": ("x",)},
        {"image": image(2)},
        {"ports": (Port(host=1, container=1),)},
        {"security": Security(read_only=True)},
        {"secrets": {"a": "/run/secrets/a"}},
        {"failover": "strict"},
        {"network": "host"},
    ],
)
def test_what_shapes_a_container_is_drift(change):
    """It has to be made again."""
    changed = a_replica(workload=a_workload(**change))
    assert container_spec.digest(changed, HOST) != container_spec.digest(
        a_replica(), HOST
    )


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 9},
        {"every": "a=b"},
        {"require": {"a": "b"}},
        {"sites": ("s",)},
        {"takers": 9},
        {"health": Health(tcp=":1")},
        {"failover": "available"},
        {
            "image": msgspec.structs.replace(
                image(), tag="x", digest="sha256:" + "e" * 64
            )
        },
    ],
)
def test_what_does_not_shape_a_container_is_no_drift(change):
    """Nothing is restarted for it."""
    changed = a_replica(version=9, term=9, workload=a_workload(**change))
    assert container_spec.digest(changed, HOST) == container_spec.digest(
        a_replica(), HOST
    )


def test_another_device_or_vault_is_drift():
    """Its name and its paths are inside the container."""
    moved = Host(fleet="shop", node="n2", architecture="amd64", secrets=HOST.secrets)
    assert container_spec.digest(a_replica(), moved) != container_spec.digest(
        a_replica(), HOST
    )


WORDS = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\Z")
PLACES = st.one_of(st.integers(1, 20).map(lambda n: f".{n}"), WORDS.map("@{}".format))


@given(st.lists(st.tuples(WORDS, WORDS, PLACES, st.integers(1, 3)), max_size=6))
def test_no_two_replicas_share_a_name(drawn):
    """However their hyphens fall."""
    places = {(f"{d}/{w}{p}", version) for d, w, p, version in drawn}
    names = {container_spec.name(a_replica(slot, v)) for slot, v in places}
    assert len(names) == len(places)


def test_a_name_is_never_the_beginning_of_an_id():
    """Podman would take it for one, and remove another container."""
    assert not set(container_spec.name(a_replica())) <= set("0123456789abcdef")


def test_two_workloads_may_ask_for_one_container():
    """How many there are, and where, shapes none of them."""
    web = a_workload()
    assert container_spec.is_same(web, a_workload(replicas=4, takers=0))
    assert not container_spec.is_same(web, a_workload(env={"A": "2"}))
    assert not container_spec.is_same(web, a_workload(image=image(2)))
