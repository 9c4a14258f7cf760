"""network.toml is written by people: every mistake is named, none is guessed away."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import networkfile
from edge.errors import ConfigError
from edge.networkfile import Ethernet, NetworkFile, Wifi

FULL = """\
hostname = "till-7"
ntp = ["192.168.1.1", "time.shop.example"]
insecure_registries = ["10.90.0.1:5000"]

[ethernet]
address = "192.168.1.20/24"
gateway = "192.168.1.1"
dns = ["192.168.1.1", "fd00::1"]
interface = "enp1s0"

[[wifi]]
ssid = "shop"
password = "correct horse"

[[wifi]]
ssid = "guests"
"""


def test_everything_can_be_said():
    """And comes back typed."""
    assert networkfile.parse(FULL) == NetworkFile(
        hostname="till-7",
        ntp=("192.168.1.1", "time.shop.example"),
        insecure_registries=("10.90.0.1:5000",),
        ethernet=Ethernet(
            address="192.168.1.20/24",
            gateway="192.168.1.1",
            dns=("192.168.1.1", "fd00::1"),
            interface="enp1s0",
        ),
        wifi=(Wifi(ssid="shop", password="correct horse"), Wifi(ssid="guests")),
    )


def test_nothing_has_to_be_said():
    """DHCP needs no file."""
    assert networkfile.parse("") == NetworkFile()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hostnam = 'a'", "hostnam: unknown field; known are hostname"),
        ("hostname = 'Not A Name'", "hostname: 'Not A Name'; a name is"),
        ("hostname = 7", "hostname: 7"),
        ("ntp = 'a'", "ntp: write a list"),
        ("ntp = ['a b']", "ntp: 'a b'"),
        ("ntp = ['-a']", "ntp: '-a'"),
        ("insecure_registries = ['http://a']", "insecure_registries: 'http://a'"),
        ("[ethernet]", "ethernet.address: None; write 192"),
        ("[ethernet]\naddress = '192.168.1.20'", "ethernet.address"),
        ("[ethernet]\naddress = '192.168.1.2000/24'", "ethernet.address"),
        ("[ethernet]\naddress='10.0.0.2/255.0.0.0'", "ethernet.address"),
        ('[ethernet]\naddress="fe80::1%a\\nDHCP=yes/64"', "ethernet.address"),
        ("ntp = ['fe80::1%eth0']", "ntp: 'fe80::1%eth0'"),
        ("insecure_registries = ['a:65536']", "insecure_registries: 'a:65536'"),
        ("insecure_registries = ['a:0']", "insecure_registries: 'a:0'"),
        ("[ethernet]\naddress='10.0.0.2/8'\ngateway='x'", "ethernet.gateway: 'x'"),
        ("[ethernet]\naddress='10.0.0.2/8'\ndns=['x']", "ethernet.dns: 'x'"),
        ("[ethernet]\naddress='10.0.0.2/8'\nmtu=9", "ethernet.mtu: unknown"),
        (
            "[ethernet]\naddress='10.0.0.2/8'\ninterface='e*'",
            "ethernet.interface: 'e*'",
        ),
        ("[ethernet]\naddress='10.0.0.2/8'\ninterface=0", "ethernet.interface: 0"),
        ("ethernet = 1", "ethernet: write a table"),
        ("wifi = 1", "wifi: write up to"),
        ("[[wifi]]", "wifi.ssid: None"),
        ('[[wifi]]\nssid = "a\\nb"', "wifi.ssid"),
        (f"[[wifi]]\nssid = '{'ä' * 17}'", "wifi.ssid"),
        ("[[wifi]]\nssid='a'\npassword='short'", "wifi.password: it has 8"),
        ("[[wifi]]\nssid='a'\npsk='long enough'", "wifi.psk: unknown"),
        ("hostname = ", "file: damaged"),
        ("a = " + "[" * 5000, "file: damaged"),
        ("#" * (networkfile.FILE_MAX + 1), "file: larger than"),
    ],
)
def test_a_mistake_is_named(text, said):
    """The field, what was written, what may be."""
    with pytest.raises(ConfigError, match=r"cannot use network\.toml: ") as caught:
        networkfile.parse(text)
    assert said in str(caught.value)


def test_a_password_is_not_repeated():
    """Consoles and logs are read by everybody."""
    with pytest.raises(ConfigError) as caught:
        networkfile.parse('[[wifi]]\nssid="a"\npassword="secret\\n"')
    assert "secret" not in str(caught.value)
    assert "horse" not in repr(networkfile.parse(FULL))


WORDS = st.text(st.sampled_from("fe80:1%./ []\n=-aZ"), max_size=30) | st.text(
    max_size=9
)


@given(WORDS, WORDS)
def test_what_is_taken_stays_on_its_line(one, two):
    """Other programs read it line by line: nobody adds a line of theirs."""
    quoted = [json.dumps(each) for each in (one, two)]
    lists = ("ntp", "insecure_registries")
    texts = [f"{key} = [{', '.join(quoted)}]" for key in lists]
    texts.append(f"[ethernet]\naddress = {quoted[0]}\ngateway = {quoted[1]}")
    rest = f"dns = [{quoted[0]}]\ninterface = {quoted[1]}"
    texts.append(f"[ethernet]\naddress = '10.0.0.2/8'\n{rest}")
    for text in texts:
        with suppress(ConfigError):
            found = networkfile.parse(text)
            cable = found.ethernet or Ethernet(address="", dns=())
            words = (*found.ntp, *found.insecure_registries, *cable.dns)
            for word in (*words, cable.address, cable.gateway, cable.interface):
                assert not re.search(r"[\s%=]", word)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    """No other exception leaves the parser."""
    with suppress(ConfigError):
        networkfile.parse(text)
