"""What a network file means, in the words of the programs that read it."""

import tomllib

from edge.networkfile import Ethernet, NetworkFile, Wifi
from node import hostfiles

PLAIN = hostfiles.render(NetworkFile(), "till-7")


def test_a_device_without_wishes_has_a_name_and_no_exceptions():
    """Both files are there always: settings and a symlink point to them."""
    assert dict(PLAIN) == {
        hostfiles.SETTINGS: 'name = "till-7"\n',
        hostfiles.REGISTRIES: "",
    }


def test_a_fixed_address_is_networkd_s():
    """Beside link-local, which never hurts."""
    wanted = Ethernet(
        address="10.0.0.2/24", gateway="10.0.0.1", dns=("10.0.0.1", "::1")
    )
    text = hostfiles.render(NetworkFile(ethernet=wanted), "a")[hostfiles.ETHERNET]
    lines = text.splitlines()
    assert "Address=10.0.0.2/24" in lines
    assert "Gateway=10.0.0.1" in lines
    assert [each for each in lines if each.startswith("DNS=")] == [
        "DNS=10.0.0.1",
        "DNS=::1",
    ]


def test_a_fixed_address_is_one_card_s_where_a_card_is_named():
    """Two cards with one address reach nobody."""

    def matched(interface: str) -> str:
        wanted = Ethernet(address="10.0.0.2/24", interface=interface)
        text = hostfiles.render(NetworkFile(ethernet=wanted), "a")[hostfiles.ETHERNET]
        return text.partition("\n\n")[0]

    assert matched("enp1s0") == "[Match]\nName=enp1s0"
    assert matched("") == "[Match]\nType=ether\nKind=!*"


def test_time_servers_are_timesyncd_s():
    """One line, as timesyncd.conf(5) has it."""
    text = hostfiles.render(NetworkFile(ntp=("a", "b")), "a")[hostfiles.TIME]
    assert text == "[Time]\nNTP=a b\n"


def test_registries_are_podman_s():
    """Valid TOML, whatever the names are."""
    network = NetworkFile(insecure_registries=("10.90.0.1:5000", "reg"))
    text = hostfiles.render(network, "a")[hostfiles.REGISTRIES]
    assert tomllib.loads(text) == {
        "registry": [
            {"location": "10.90.0.1:5000", "insecure": True},
            {"location": "reg", "insecure": True},
        ]
    }


def test_a_passphrase_becomes_the_key_of_the_standard():
    """IEEE 802.11, annex J.4.2, first vector: "password" for the network "IEEE"."""
    wanted = (Wifi(ssid="IEEE", password="password"), Wifi(ssid='a"\n}'))
    text = hostfiles.render(NetworkFile(wifi=wanted), "a")[hostfiles.WIFI]
    key = "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
    assert f"psk={key}\n" in text
    assert "password" not in text
    assert text.count("}") == 2
    assert "key_mgmt=NONE" in text
