"""An image from recipe to running devices: built, booted twice, cut off, cut down.

One story in order, on real firmware, kernel and init system, as QEMU emulates them.
`just image-smoke` runs what is not marked ``long``, `just image-test` all of it.
"""

import json
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support import firmware
from tests.support.firmware import Shop
from tests.support.labs import wait

MEGABYTE = 1_000_000
IMAGE_MAX = 250 * MEGABYTE
JOINS_AFTER = 120.0
"""Seconds from power to enrolled that the issue allows a device alone on this CPU."""
MEMORY_MAX = 160 * MEGABYTE
ENROLLED = "hub     https://"
"""How the console names the device's own hub, from then on; a state may pass unseen."""
IDLE_FOR = 600.0
"""Seconds; a third of `hub.link.BEACON_EVERY`, so one beacon at most is among them."""
WRITTEN_MAX = MEGABYTE / 4
"""Bytes of one beacon and little else: an hour has two, and may write a megabyte."""
WEB = """\
name = "web"

[workload.web]
image = "REGISTRY/web:1"
every = "fact.model=Guest"
ports = ["8080:80"]
resources = { memory = "32MiB", cpus = 0.25 }
health = { http = "http://:80/healthz", every = "5s", fail_after = 3 }
"""
EXPOSURE = {
    "edge-node.service": 1.9,
    "edge-guard.service": 1.0,
    "edge-leave.service": 0.9,
    "edge-firstboot.service": 1.8,
    "edge-boot-ok.service": 2.4,
    "edge-console.service": 1.8,
}
LISTENING = {"tcp/22", "tcp/8080", "udp/68", "udp/546", "udp/5353", "udp/8445"}
"""SSH because it was asked for, the workload's port, DHCP's answers, mDNS, the mesh.
Port 53 is aardvark's, on a container network's own bridge."""
SCANNED = 10_000

pytestmark = pytest.mark.timeout(1800)
long = pytest.mark.long
work = pytest.mark.work


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return a lab with an image for its devices."""
    with firmware.shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


def test_the_image_is_small_and_says_what_is_in_it(shop: Shop) -> None:
    """A card's worth, with its list of packages and its bill of materials."""
    folder = shop.lab.folder
    assert (folder / "shop.img.zst").stat().st_size <= IMAGE_MAX
    assert "pkg:deb/debian/podman@" in (folder / "shop.img.zst.packages").read_text()
    bill = json.loads((folder / "shop.img.zst.spdx.json").read_text())
    assert bill["spdxVersion"] == "SPDX-2.3"


def test_a_device_joins_from_power_on(shop: Shop) -> None:
    """No hand, no key pressed; it says on its console how far it has come."""
    guest = shop.plug_in(1)
    began_at = time.monotonic()
    guest.start()
    guest.wait_for(ENROLLED, firmware.JOINS_WITHIN)
    took = time.monotonic() - began_at
    print(f"\npower to enrolled: {took:.0f} s")
    shop.wait_for_members(1)
    guest.wait_for(f"ready in {shop.lab.name}/{firmware.SITE}", firmware.JOINS_WITHIN)
    assert "▀" in guest.console()
    started, enrolled = stamps(shop, "Starting", "is enrolled at")
    print(f"edge-node's start to enrolled: {enrolled - started:.0f} s")
    assert took <= JOINS_AFTER * 2  # other work runs beside this one


def stamps(shop: Shop, *texts: str) -> Iterator[float]:
    """Give when edge-node's log first said each text, in seconds."""
    lines = shop.inside(0, "journalctl -b -u edge-node -o short-unix").splitlines()
    for text in texts:
        yield next(float(line.split()[0]) for line in lines if text in line)


@long
def test_a_power_cut_while_it_joins_is_made_good(shop: Shop) -> None:
    """The second device loses power while a slow hub has its call: a member once."""
    guest = shop.plug_in(2)
    with shop.paused("hub.edge-hub"):
        guest.start()
        guest.wait_for("looks for its hub", firmware.JOINS_WITHIN)
        guest.kill()
    guest.start()
    members = shop.wait_for_members(2)
    assert len({each["id"] for each in members}) == 2
    assert len({each["name"] for each in members}) == 2


@work
def test_a_deploy_runs_on_every_device(shop: Shop) -> None:
    """Chosen by what their hardware says of itself."""
    manifest = shop.lab.manifest("web", WEB)
    shop.lab.edgectl("deploy", manifest, "--yes", "--timeout", "10m")
    for number in range(len(shop.guests)):
        shop.serves(number)


def test_a_boot_is_called_good(shop: Shop) -> None:
    """The loader stops counting once daemon and Podman were steady."""
    shop.wait_inside(0, "ls /efi/loader/entries | grep -qx tutti-a.conf")
    assert shop.inside(0, "ls /efi/loader/entries") == "tutti-a.conf"


def test_the_join_file_is_gone(shop: Shop) -> None:
    """It has done its work, and a card may get lost."""
    assert shop.inside(0, "ls /run/tutti/card").split() == [
        "README.txt",
        "network.toml",
    ]


def test_the_root_is_read_only_and_nobody_can_log_in(shop: Shop) -> None:
    """No password, no getty; nothing to write to but /var and memory."""
    assert shop.inside(0, "findmnt -no FSTYPE,OPTIONS /").startswith("squashfs ro")
    assert shop.code(0, "touch /usr/x") != 0
    assert shop.code(0, "touch /etc/x") != 0
    passwords = shop.inside(0, "cut -d: -f2 /etc/shadow | sort -u").split()
    assert set(passwords) <= {"*", "!", "!*"}
    assert shop.code(0, "pgrep agetty") != 0
    assert shop.inside(0, "systemctl --failed --no-legend --plain") == ""


@work
def test_limits_are_the_kernel_s(shop: Shop) -> None:
    """Unified cgroups: memory and processor of a container are bounded."""
    assert shop.inside(0, "stat -fc %T /sys/fs/cgroup") == "cgroup2fs"
    group = shop.inside(
        0,
        "podman inspect -l --format '{{.State.Pid}}' | "
        "xargs -I{} cut -d: -f3 /proc/{}/cgroup",
    )
    files = f"cd /sys/fs/cgroup{group} && cat memory.max cpu.max"
    assert shop.inside(0, files).split() == ["33554432", "25000", "100000"]
    hog = "podman exec -l sh -c 'head -c 64m /dev/zero | tail'"
    assert shop.code(0, hog) != 0


def test_wireguard_is_in_the_kernel(shop: Shop) -> None:
    """For networks between sites; tools are there as well."""
    shop.inside(0, "ip link add wg9 type wireguard && wg show wg9 && ip link del wg9")


def test_units_are_closed(shop: Shop) -> None:
    """By the running system's own count, drop-ins included."""
    told = shop.inside(0, f"systemd-analyze security {' '.join(EXPOSURE)} | cat")
    for name, most in EXPOSURE.items():
        line = shop.inside(0, f"systemd-analyze security --no-pager {name} | tail -n 1")
        found = re.search(r"level for \S+: (\d+\.\d)", line)
        assert found, told
        print(f"{name}: exposure {found[1]}")
        assert float(found[1]) <= most


def test_nothing_listens_but_what_was_named(shop: Shop) -> None:
    """Asked inside, and from the LAN."""
    rows = [row.split() for row in shop.inside(0, "ss -Hlntu").splitlines()]
    found = {f"{row[0]}/{row[4].rpartition(':')[2]}" for row in rows}
    local = {"tcp/53", "udp/53"}  # aardvark-dns, on a bridge inside
    print(f"listening: {sorted(found)}")
    assert {each for each in found if int(each.rpartition("/")[2]) < 32768} <= (
        LISTENING | local
    )
    assert set(open_ports(shop.addresses[0])) <= {22, 8080}


def open_ports(address: str) -> Iterator[int]:
    """Give the TCP ports of a device that accept."""
    for port in range(1, SCANNED):
        with socket.socket() as caller:
            caller.settimeout(2)
            if caller.connect_ex((address, port)) == 0:
                yield port


def test_memory_is_left_for_work(shop: Shop) -> None:
    """The whole device, an SSH server and a container included."""
    text = shop.inside(0, "cat /proc/meminfo")
    kibibytes = {row.split(":")[0]: int(row.split()[1]) for row in text.splitlines()}
    used = (kibibytes["MemTotal"] - kibibytes["MemAvailable"]) * 1024
    print(f"\nmemory in use: {used / MEGABYTE:.0f} MB")
    assert used <= MEMORY_MAX


def test_a_quiet_device_hardly_writes(shop: Shop) -> None:
    """Flash wears by what is written: by the disk's own count, hub and all."""
    # ext4 makes the inode tables of a new file system in its first minutes.
    shop.wait_inside(0, "! grep -qs ext4lazyinit /proc/[0-9]*/comm")
    shop.inside(0, "sync")  # what the tests before this one wrote is not idleness
    before = written(shop)
    time.sleep(IDLE_FOR)  # the claim is about this very time
    amount = written(shop) - before
    print(f"\nwritten in {IDLE_FOR / 60:.0f} idle minutes: {amount / 1000:.0f} kB")
    assert amount <= WRITTEN_MAX


def written(shop: Shop) -> int:
    """Return bytes written to the disk since boot (Documentation/block/stat.rst)."""
    return int(shop.inside(0, "cat /sys/block/vda/stat").split()[6]) * 512


@long
def test_a_daemon_that_hangs_is_started_again(shop: Shop) -> None:
    """By systemd's watchdog; its containers never notice."""
    ask = "systemctl show -p MainPID --value edge-node"
    before = shop.inside(0, ask)
    container = shop.inside(0, "podman inspect -l --format '{{.State.Pid}}'")
    shop.inside(0, f"kill -STOP {before}")
    shop.wait_inside(0, f"test $({ask}) != {before}", within=600)
    assert shop.inside(0, "podman inspect -l --format '{{.State.Pid}}'") == container


@work
def test_a_power_cut_is_survived(shop: Shop) -> None:
    """Back as the same device, and its work with it."""
    count = len(shop.guests)
    before = {each["id"] for each in shop.wait_for_members(count)}
    shop.guests[0].kill()
    shop.guests[0].start()
    shop.serves(0)
    assert {each["id"] for each in shop.wait_for_members(count)} == before


@long
def test_without_a_hub_everything_starts_again(shop: Shop) -> None:
    """Both lose power while hub and broker are gone: what they ran runs."""
    shop.lab.lab("kill", "hub")
    shop.lab.lab("cut", "broker")
    for guest in shop.guests:
        guest.kill()
    for guest in shop.guests:
        guest.start()
    for number in range(len(shop.guests)):
        shop.serves(number)
    shop.lab.lab("boot", "hub")
    shop.lab.lab("heal")


@long
def test_damaged_state_is_kept_aside(shop: Shop) -> None:
    """The device starts anew, and waits: its voucher was for three devices."""
    shop.wipe(0, "tutti-state")
    shop.guests[0].start()
    said = shop.guests[0].wait_for("no join file on the card", firmware.JOINS_WITHIN)
    assert "keeping it as tutti-damaged" in said
    labels = shop.inside(0, "ls /dev/disk/by-partlabel")
    assert {"tutti-damaged", "tutti-state"} <= set(labels.split())


@long
def test_a_card_that_cannot_be_read_stops_nothing(shop: Shop) -> None:
    """The console says what is wrong with it.

    Power goes seconds after the state was made anew, the key of its SSH server too.
    """
    shop.wipe(0, "TUTTI")
    shop.guests[0].start()
    shop.guests[0].wait_for("TUTTI cannot be read", firmware.JOINS_WITHIN)
    wait(lambda: shop.code(0, "true") == 0, "it is on the network", within=300)


@long
def test_without_dhcp_or_time_a_device_finds_its_hub(shop: Shop) -> None:
    """Link-local addresses and mDNS are enough, where the hub has such an address.

    A board without a battery thinks that it is 1970.
    """
    shop.lab.run("hub", "ip address add 169.254.77.2/16 dev eth0")
    settings = shop.lab.machine("hub") / "state" / "hub.toml"
    text = settings.read_text()
    only = f'listen = "{shop.lab.prefix}.2"'
    assert only in text
    settings.write_text(text.replace(only, 'listen = "0.0.0.0"'))
    shop.end("hub.edge-hub")
    shop.lab.lab("start", "hub")
    guest = shop.plug_in(3, clock="1970-01-01T00:00:00")
    shop.end("dhcp")  # who has an address keeps it for an hour
    guest.start()
    guest.wait_for(f"{ENROLLED}169.254.77.2:", firmware.JOINS_WITHIN)
    guest.kill()
