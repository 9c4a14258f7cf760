"""What a network file means for the programs of a device: the files they read.

Pure: from `NetworkFile` to paths below /run and texts. Each program reads its own
folder there, because /etc of an image is read-only.
"""

import hashlib
import json
from collections.abc import Mapping

from edge.networkfile import Ethernet, NetworkFile, Wifi

ETHERNET = "systemd/network/70-tutti-ethernet.network"
TIME = "systemd/timesyncd.conf.d/tutti.conf"
WIFI = "tutti/wpa/wpa_supplicant-wlan0.conf"
REGISTRIES = "tutti/registries.conf"
SETTINGS = "tutti/node.toml"
ANY_CABLE = ("Type=ether", "Kind=!*")
"""Every card: no bridge, tunnel or what containers bring."""
PASSPHRASE_ROUNDS = 4096  # PBKDF2 as WPA2 has it (IEEE 802.11, annex J.4)
PASSPHRASE_BYTES = 32


def render(network: NetworkFile, name: str) -> Mapping[str, str]:
    """Return path below /run → text, for a device called ``name``.

    Settings and registries are always there: others point to them.
    """
    found = {
        SETTINGS: f"name = {json.dumps(name)}\n",
        REGISTRIES: "".join(map(_registry, network.insecure_registries)),
    }
    if network.ntp:
        found[TIME] = f"[Time]\nNTP={' '.join(network.ntp)}\n"
    if network.ethernet:
        found[ETHERNET] = _ethernet(network.ethernet)
    if network.wifi:
        found[WIFI] = "".join(map(_wifi, network.wifi))
    return found


def _registry(location: str) -> str:
    # JSON's strings are TOML's as well.
    return f"[[registry]]\nlocation = {json.dumps(location)}\ninsecure = true\n"


def _ethernet(wanted: Ethernet) -> str:
    lines = [
        "[Match]",
        *([f"Name={wanted.interface}"] if wanted.interface else ANY_CABLE),
        "",
        "[Network]",
        f"Address={wanted.address}",
        *([f"Gateway={wanted.gateway}"] if wanted.gateway else []),
        *(f"DNS={server}" for server in wanted.dns),
        "LinkLocalAddressing=yes",
        "LLDP=no",
    ]
    return "\n".join(lines) + "\n"


def _wifi(wanted: Wifi) -> str:
    """Return a network of wpa_supplicant's; in hex, so that nothing breaks out."""
    ssid = wanted.ssid.encode()
    if not wanted.password:
        return f"network={{\n ssid={ssid.hex()}\n key_mgmt=NONE\n}}\n"
    key = hashlib.pbkdf2_hmac(
        "sha1", wanted.password.encode(), ssid, PASSPHRASE_ROUNDS, PASSPHRASE_BYTES
    )
    return f"network={{\n ssid={ssid.hex()}\n psk={key.hex()}\n}}\n"
