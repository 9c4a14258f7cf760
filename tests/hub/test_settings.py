from pathlib import Path

import pytest

from edge.errors import ConfigError
from hub import settings
from hub.settings import Place, Settings


def load(tmp_path: Path, text: str = "", **flags: object) -> Settings:
    """Settings of a state folder with this hub.toml."""
    (tmp_path / "hub.toml").write_text(text)
    return settings.load({}, {"state": str(tmp_path), **flags})


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    """A hub with its own broker, on every address."""
    chosen = load(tmp_path)
    assert chosen == Settings(state=tmp_path)
    assert chosen.is_supervising
    assert chosen.api == Place(host="", port=8443)
    assert chosen.own_broker == Place(host="", port=8883)
    assert chosen.broker_connect == Place(host="127.0.0.1", port=8883)


def test_flags_come_before_the_environment_and_that_before_the_file(
    tmp_path: Path,
) -> None:
    """Each overrides what is further away."""
    (tmp_path / "hub.toml").write_text('listen = ":1"\nurl = "https://a:1"\n')
    environment = {
        "EDGE_HUB_STATE": str(tmp_path),
        "EDGE_HUB_LISTEN": ":2",
        "EDGE_HUB_HOSTS": "x y",
    }
    chosen = settings.load(environment, {"listen": ":3", "broker": None})
    assert chosen.api.port == 3
    assert (chosen.url, chosen.hosts) == ("https://a:1", ("x", "y"))
    assert settings.load(environment, {}).api.port == 2


@pytest.mark.parametrize(
    ("listen", "place"),
    [
        ("10.0.0.1", Place(host="10.0.0.1", port=8443)),
        ("10.0.0.1:99", Place(host="10.0.0.1", port=99)),
        (":99", Place(host="", port=99)),
        ("[fd00::1]:99", Place(host="fd00::1", port=99)),
        ("fd00::1", Place(host="fd00::1", port=8443)),
    ],
)
def test_an_address_may_leave_out_either_half(
    tmp_path: Path, listen: str, place: Place
) -> None:
    """The other has a default."""
    assert load(tmp_path, listen=listen).api == place


def test_somebody_elses_broker_is_not_started(tmp_path: Path) -> None:
    """The hub is a client of it like any device."""
    chosen = load(tmp_path, broker="mqtts://mq.example:9883")
    assert not chosen.is_supervising
    assert chosen.broker_connect == Place(host="mq.example", port=9883)
    assert chosen.broker_url == "mqtts://mq.example:9883"


def test_its_own_broker_may_be_elsewhere(tmp_path: Path) -> None:
    """The lab runs it on another machine, by a script."""
    chosen = load(tmp_path, broker="mqtts://10.9.0.3:9883", mosquitto="sh -c x")
    assert chosen.is_supervising
    assert chosen.mosquitto == ("sh", "-c", "x")
    assert chosen.own_broker == Place(host="", port=9883)
    assert chosen.broker_connect == Place(host="10.9.0.3", port=9883)


def test_its_own_broker_listens_beside_the_api(tmp_path: Path) -> None:
    """Devices find it under the hub's name."""
    chosen = load(tmp_path, listen="10.0.0.1", url="https://hub.example:8443")
    assert chosen.own_broker == Place(host="10.0.0.1", port=8883)
    assert chosen.broker_url == "mqtts://hub.example:8883"
    apart = load(tmp_path, url="https://[fd00::1]", broker_listen="10.0.0.2:99")
    assert apart.broker_connect == Place(host="10.0.0.2", port=99)
    assert apart.broker_url == "mqtts://[fd00::1]:99"


def test_the_certificate_holds_for_every_way_here(tmp_path: Path) -> None:
    """This machine's addresses count where the API listens on all of them."""
    url = {"url": "https://hub.example:8443", "broker": "mqtts://mq.example"}
    everywhere = load(tmp_path, **url, hosts="more")
    assert set(everywhere.names(("10.0.0.7",))) == {
        *("localhost", "127.0.0.1", "hub.example", "mq.example", "10.0.0.7", "more")
    }
    one = load(tmp_path, **url, listen="10.0.0.1")
    assert "10.0.0.7" not in one.names(("10.0.0.7",))
    assert "10.0.0.1" in one.names(())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("lisden = ':1'", "lisden"),
        ("listen = 1", "listen"),
        ("listen = ':70000'", "70000"),
        ("listen = 'a:b'", "a:b"),
        ("url = 'http://hub'", "https://host:port"),
        ("url = 'https://hub/path'", "https://host:port"),
        ("broker = 'mqtt://hub'", "mqtts://host:port"),
        ("mosquitto = 3", "list of words"),
        ("announce = 'perhaps'", "true or false"),
        ("certificate_days = 0", "give days"),
        ("certificate_days = 'nan'", "give days"),
        ("url = ", "hub.toml"),
        ('url = "https://a\\u000ab"', "no text"),
    ],
)
def test_a_bad_setting_names_its_place(tmp_path: Path, text: str, names: str) -> None:
    """A misspelt one is not passed over."""
    with pytest.raises(ConfigError, match="cannot use") as caught:
        load(tmp_path, text)
    assert names in str(caught.value)
    assert "hub.toml" in str(caught.value) or "address" in str(caught.value)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """`edge-hub init` leaves a file that says the same."""
    chosen = load(
        tmp_path,
        url="https://hub.example:8443",
        mosquitto='sh -c "a \\"b\\""',
        announce="no",
        certificate_days="30",
    )
    text = settings.render(chosen)
    assert load(tmp_path, text) == chosen
    assert settings.render(Settings()) == ""
