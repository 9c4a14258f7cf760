"""What goes wrong on a device: clock, certificate, disk, damage, tokens, copied keys.

One lab for the module. Its own daemons on n2 and n3 are ended: devices started by hand,
with clocks and disks of their own, take their place.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from edge import joinfile
from tests.support import builders, hands, labs
from tests.support.hands import Clock, Hand
from tests.support.labs import ROOT, Lab, wait

MANIFEST = """
name = "NAME"

[workload.web]
image = "REGISTRY/IMAGE"
ports = ["PORT:80"]
every = "device=NAME"
health = { http = "http://:80/healthz", every = "1s" }
"""
PORTS = {"n1": 8080, "shy": 8081, "full": 8082, "old": 8083}
SHORT = 0.00007
"""Days a certificate lives in these tests: six seconds."""
USUAL = 90.0
NOT_ALLOWED = 4


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """One device of the lab's own, and two machines without a daemon."""
    with labs.lab(tmp_path_factory.mktemp("devices"), "--nodes", "3") as lab:
        for node in ("n2", "n3"):
            hands.end_daemon(lab, node)
        lab.edgectl("node", "label", "n1", "device=n1")
        lab.edgectl("deploy", manifest(lab, "n1"), "--yes")
        yield lab


def manifest(lab: Lab, name: str, image: str = "web:1") -> str:
    """Return the path of a manifest for one device."""
    text = MANIFEST.replace("NAME", name).replace("PORT", str(PORTS[name]))
    return lab.manifest(name, text.replace("IMAGE", image))


def token(lab: Lab, *words: str) -> Path:
    """Make a join file."""
    made = lab.edgectl("token", "create", "--site", "lab", *words).stdout
    path = lab.folder / f"join-{len(list(lab.folder.glob('join-*')))}.toml"
    path.write_text(made)
    return path


def runs(lab: Lab, name: str, revision: int) -> bool:
    """Whether a device's deployment is healthy at a revision."""
    rows = [row for row in lab.rows_or_none("ps") if row["deployment"] == name]
    return [(row["revision"], row["healthy"]) for row in rows] == [(revision, True)]


def life(lab: Lab, node: str, name: str) -> str:
    """Return id and pid of the one container of a deployment."""
    form = f"--format '{{{{.ID}}}} {{{{.Pid}}}}' --filter label=tutti.deployment={name}"
    return lab.run(node, f"podman ps --no-trunc {form}")


def flip(path: Path, rng: Random) -> bytes:
    """Change one bit of a file; return what was there before."""
    before = path.read_bytes()
    data = bytearray(before)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return before


@pytest.fixture(scope="module")
def rng() -> Random:
    """Return a generator whose seed is shown when a test fails."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    return Random(seed)


def refused(fleet: Lab, name: str, join: Path) -> tuple[int, str]:
    """Start a device that will not be let in; return its exit code and last words."""
    with hands.hand(fleet, "n2", name, join) as device:
        device.start()
        return device.code(), device.said


def test_an_expired_token_lets_nobody_in(fleet):
    """Exit code 4 and a sentence."""
    join = token(fleet, "--expires", "1s")
    time.sleep(1.1)
    code, said = refused(fleet, "late", join)
    assert code == NOT_ALLOWED
    assert "the join token is not open" in said


def test_a_used_up_token_lets_nobody_in(fleet):
    """One device joined by it; the second is told."""
    join = token(fleet, "--uses", "1")
    with hands.hand(fleet, "n2", "first", join) as device:
        device.start()
        wait(device.is_ready, "the first device to join")
    code, said = refused(fleet, "second", join)
    assert code == NOT_ALLOWED
    assert "the join token was good for 1 devices" in said
    fleet.edgectl("node", "revoke", "first", "--yes")


def test_a_forged_token_is_refused_before_anything_is_sent(fleet):
    """A voucher an operator signed, and somebody's own seed."""
    join = token(fleet)
    seed = 'seed = "' + builders.sealing.to_text(bytes(32)) + '"'
    lines = join.read_text().splitlines()
    join.write_text("\n".join(seed if x.startswith("seed") else x for x in lines))
    code, said = refused(fleet, "forger", join)
    assert code == 1
    assert "its voucher belongs to another seed; make a new one" in said
    assert not (fleet.machine("n2") / "forger" / "keys.json").exists()


def test_another_fleets_token_is_refused(fleet):
    """The hub at the address is not the one whose root the join file names."""
    text = joinfile.render(
        joinfile.JoinFile(
            fleet=builders.FLEET,
            root=builders.empty_ledger().anchor,
            hubs=(f"https://{fleet.prefix}.2:8443",),
            seed=builders.JOIN.seed,
            voucher=builders.signed(builders.voucher()),
        )
    )
    join = fleet.folder / "join-foreign.toml"
    join.write_text(text)
    code, said = refused(fleet, "stray", join)
    assert code == NOT_ALLOWED
    assert f"cannot trust https://{fleet.prefix}.2:8443" in said
    assert f"'{fleet.name}'" in said


def test_a_name_belongs_to_its_first_key(fleet):
    """A valid token does not make a second n1."""
    code, said = refused(fleet, "n1", token(fleet))
    assert code == NOT_ALLOWED
    assert "the name 'n1' belongs to d-" in said


def test_a_second_fleet_init_changes_nothing(fleet):
    """The root key of a fleet is not made twice."""
    home = fleet.folder / "home"
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    done = fleet.edgectl("fleet", "init", fleet.name, "--no-passphrase", code=1)
    assert f"cannot begin fleet context {fleet.name!r}: there is one" in done.stderr
    assert before == {
        path: path.read_bytes() for path in home.rglob("*") if path.is_file()
    }


def test_an_interrupted_enrolment_resumes_as_the_same_device(fleet, rng):
    """Kill -9 anywhere in the first start; one member comes of it."""
    with hands.hand(fleet, "n2", "torn", token(fleet)) as device:
        seen = set()
        for _ in range(8):
            device.start()
            time.sleep(rng.uniform(0.05, 0.9))
            device.end(signal.SIGKILL)
            keys = device.state / "keys.json"
            seen |= {keys.read_bytes()} if keys.exists() else set()
        device.start()
        wait(device.is_ready, "the device to join at last")
        assert seen == {(device.state / "keys.json").read_bytes()}
        assert not list(device.state.rglob("*.part"))
        rows = fleet.rows("get", "nodes")
        assert [row["name"] for row in rows].count("torn") == 1
    fleet.edgectl("node", "revoke", "torn", "--yes")


def test_an_unapproved_device_runs_nothing(fleet):
    """Pending, with the reason; approved, it runs what waited for it."""
    join = token(fleet, "--approve", "--label", "device=shy")
    with hands.hand(fleet, "n2", "shy", join) as device:
        device.start()
        wait(lambda: device.state_at_hub() == "pending", "the device to be pending")
        words = ("deploy", manifest(fleet, "shy"), "--yes", "--allow-unplaced")
        done = fleet.edgectl(*words, "--timeout", "2s", code=None)
        assert "not approved" in done.stderr
        assert not fleet.containers("n2", "shy")
        fleet.edgectl("node", "approve", "shy")
        wait(lambda: runs(fleet, "shy", 1), "the approved device to run its work")
        fleet.edgectl("delete", "shy")
    fleet.edgectl("node", "revoke", "shy", "--yes")


def test_a_copied_device_raises_an_alarm(fleet):
    """The same key on two machines shows itself in events and doctor."""
    with (
        hands.hand(fleet, "n2", "twin", token(fleet)) as true,
        hands.hand(fleet, "n3", "twin", true.join) as copy,
    ):
        true.start()
        wait(true.is_ready, "the device to join")
        shutil.copytree(true.state, copy.state)
        copy.start()
        wait(
            lambda: "reports from two machines" in fleet.edgectl("events").stdout,
            "the alarm",
        )
        shown = fleet.edgectl("doctor", code=None).stdout
        assert "twin reports from two machines" in shown
        assert "edgectl node revoke twin" in shown
    fleet.edgectl("node", "revoke", "twin", "--yes")


@contextmanager
def small_disk(device: Hand) -> Iterator[Path]:
    """Give a device a disk of one megabyte; yield the file that fills it."""
    device.state.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(device.state)]
    subprocess.run(words, check=True)
    try:
        yield device.state / "ballast"
    finally:
        device.end(signal.SIGKILL)
        subprocess.run(["umount", str(device.state)], check=True)


def fill(ballast: Path) -> None:
    """Leave no block free."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_full_disk_delays_a_deploy_and_stops_nothing(fleet):
    """The old revision serves, also after a reboot; with room it catches up."""
    join = token(fleet, "--label", "device=full")
    with hands.hand(fleet, "n2", "full", join) as device, small_disk(device) as ballast:
        device.start()
        wait(device.is_ready, "the device to join")
        fleet.edgectl("deploy", manifest(fleet, "full"), "--yes")
        before, held = life(fleet, "n2", "full"), documents(device)
        fill(ballast)
        words = ("deploy", manifest(fleet, "full", "web:2"), "--yes")
        fleet.edgectl(*words, "--timeout", "1s", code=7)
        wait(
            lambda: "No space left on device; free" in fleet.edgectl("events").stdout,
            "the device to say what is wrong",
        )
        assert (life(fleet, "n2", "full"), documents(device)) == (before, held)
        device.end(signal.SIGKILL)
        fleet.run("n2", f"podman kill {before.split()[0]}")
        device.start()
        serves = lambda: fleet.fetch("n2", port=PORTS["full"])  # noqa: E731 - a name
        assert wait(serves, "a start on a full disk").startswith("web 1")
        ballast.unlink()
        wait(lambda: runs(fleet, "full", 2), "the device to catch up")
        assert not list(device.state.rglob("*.part"))
    fleet.edgectl("node", "revoke", "full", "--yes")
    fleet.edgectl("delete", "full")


def documents(device: Hand) -> list[str]:
    """Return the names of the documents a device holds."""
    return sorted(path.name for path in (device.state / "documents").iterdir())


def damage(fleet: Lab, rng: Random, *names: str) -> None:
    """Flip a bit in files of n1 while its daemon is down."""
    hands.end_daemon(fleet, "n1")
    state = fleet.machine("n1") / "state"
    mine = own(fleet, state)
    for name in names:
        (path,) = state.glob(name.format(**mine))
        flip(path, rng)
    fleet.lab("start", "n1")


def own(fleet: Lab, state: Path) -> dict[str, str]:
    """Return n1's device id and its voucher: it holds its neighbours' words as well.

    Its member document must still be whole.
    """
    (device,) = (row["id"] for row in fleet.rows("get", "nodes") if row["name"] == "n1")
    (member,) = (state / "documents").glob(f"member+{device}*.json")
    envelope = json.loads(member.read_bytes())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    return {"device": device, "voucher": payload["voucher"]}


def told(fleet: Lab, kind: str) -> list[str]:
    """Return subject and text of n1's own events of a kind."""
    shown = fleet.run("n1", "edge-node events -n 1000 -o json")
    found = [each for each in json.loads(shown) if each["kind"] == kind]
    return [f"{each['subject']}: {each['text']}" for each in found]


DAMAGED = {
    "documents/deployment+n1.*.json": "set aside",
    "documents/trust.2.json": "mended from its copy",
    "documents/voucher+{voucher}*.json": "mended from its copy",
    "documents/member+{device}*.json": "mended from its copy",
    "documents/node+{device}*.json": "mended from its copy",
}


def test_damaged_files_heal(fleet, rng):
    """Set aside, mended or made anew, whatever bit it was; no container notices."""
    before = life(fleet, "n1", "n1")
    damage(fleet, rng, *DAMAGED, "certificate.pem")
    wait(lambda: len(told(fleet, "damaged")) == len(DAMAGED), "the damage to be told")
    shown = "\n".join(told(fleet, "damaged"))
    for each in ("set aside", "mended from its copy"):
        assert shown.count(each) == list(DAMAGED.values()).count(each)
    wait(lambda: "deployment+n1.1.json" in documents_of(fleet), "what was set aside")
    damage(fleet, rng, "share.json", "heads.json")
    more = len(DAMAGED) + len(("share", "heads"))
    wait(lambda: len(told(fleet, "damaged")) == more, "the damage to be told")
    restarted_at = time.time()
    fleet.edgectl("node", "label", "n1", "healed=yes")
    wait(lambda: heard(fleet, "n1") > restarted_at, "the device to be heard again")
    assert life(fleet, "n1", "n1") == before


def heard(fleet: Lab, name: str) -> float:
    """Return when the hub heard of a device last."""
    rows = fleet.rows_or_none("get", "nodes")
    return max((row["last_seen"] for row in rows if row["name"] == name), default=0.0)


def documents_of(fleet: Lab) -> set[str]:
    """Return the names of the documents n1 holds."""
    folder = fleet.machine("n1") / "state" / "documents"
    return {path.name for path in folder.iterdir()}


def test_damaged_keys_are_refused(fleet, rng):
    """Another bit would be another device: it says so and ends; containers run on."""
    before = life(fleet, "n1", "n1")
    hands.end_daemon(fleet, "n1")
    path = fleet.machine("n1") / "state" / "keys.json"
    whole = flip(path, rng)
    log = fleet.state / "logs" / "n1.edge-node.log"
    try:
        fleet.lab("start", "n1")
        said = "the file is damaged; restore it, or move the state folder aside"
        wait(lambda: said in log.read_text(), "the daemon to say what is wrong")
    finally:
        path.write_bytes(whole)
    wait(lambda: not alive(fleet), "the daemon to end")
    fleet.lab("start", "n1")
    wait(lambda: alive(fleet), "the daemon to start")
    assert life(fleet, "n1", "n1") == before


def alive(fleet: Lab) -> bool:
    """Whether n1's daemon runs."""
    return Path(f"/proc/{hands.daemon(fleet, 'n1')}").exists()


@pytest.mark.parametrize("place", [0, 4096])
def test_a_damaged_database_is_refused(fleet, place):
    """The hub says which file, and what to do; restored, it goes on."""
    hands.end_daemon(fleet, "hub", "edge-hub")
    folder = fleet.machine("hub") / "state"
    path = folder / "hub.db"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:place] + bytes(300) + whole[place + 300 :])
        done = subprocess.run(
            [sys.executable, "-m", "hub.cli", "run", "--state", str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 1
        assert f"{path}: the database is damaged" in done.stderr
        assert "restore a backup" in done.stderr
    finally:
        path.write_bytes(whole)
        fleet.lab("start", "hub")
    wait(lambda: fleet.rows_or_none("get", "nodes"), "the hub to answer again")


def restart_hub(fleet: Lab, *, certificate_days: float) -> None:
    """Start the hub again, and its broker, with another life for certificates."""
    hands.end_daemon(fleet, "hub", "edge-hub")
    path = fleet.machine("hub") / "state" / "hub.toml"
    lines = path.read_text().splitlines()
    kept = [each for each in lines if not each.startswith("certificate_days")]
    kept.append(f"certificate_days = {certificate_days}\n")
    path.write_text("\n".join(kept))
    fleet.lab("start", "hub")
    wait(lambda: fleet.rows_or_none("get", "nodes"), "the hub to answer again")


def test_a_device_without_a_clock(fleet, tmp_path):
    """1970: it joins, runs, renews an ended certificate; 2100 and back: it plays on."""
    restart_hub(fleet, certificate_days=SHORT)
    clock = Clock(tmp_path / "clock")
    clock.set("@1970-01-02 00:00:00")
    join = token(fleet, "--label", "device=old")
    with hands.hand(fleet, "n2", "old", join, **clock.environment) as device:
        device.start()
        wait(device.is_ready, "a device in 1970 to join")
        issued_at, first = time.time(), device.certificate
        fleet.edgectl("deploy", manifest(fleet, "old"), "--yes")
        (row,) = [row for row in fleet.rows("ps") if row["deployment"] == "old"]
        assert row["since"] > issued_at - 3600
        before = life(fleet, "n2", "old")
        renew_when_ended(fleet, device, issued_at, first)
        clock.set("@2100-01-02 00:00:00")
        fleet.edgectl(
            *("deploy", manifest(fleet, "old", "web:2"), "--yes"),
            *("--timeout", "2s"),
            code=7,
        )
        wait(
            lambda: any("it is 2100-" in each for each in device.events("refused")),
            "the device to say that the operator's key ended long ago",
        )
        assert life(fleet, "n2", "old") == before
        clock.set("+0")
        wait(lambda: runs(fleet, "old", 2), "the device to catch up")


def renew_when_ended(fleet: Lab, device: Hand, issued_at: float, first: bytes) -> None:
    """Have the device connect with a certificate that ended."""
    before = life(fleet, "n2", "old")
    ends_at = issued_at + SHORT * 24 * 3600
    time.sleep(max(0.0, ends_at + 1 - time.time()))
    restarted_at = time.time()
    restart_hub(fleet, certificate_days=USUAL)
    wait(lambda: device.certificate != first, "a new certificate")
    wait(lambda: heard(fleet, "old") > restarted_at, "the device to be connected again")
    assert life(fleet, "n2", "old") == before
