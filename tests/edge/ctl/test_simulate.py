"""`edgectl simulate` from the command line, with manifests as people write them."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.ctl.exits import Ended
from edge.ctl.simulate import simulate
from edge.errors import ConfigError, ManifestError

WEB = """
name = "web"

[workload.web]
image = "10.90.0.1:5000/web:1"
ports = ["8080:80"]
replicas = 3
failover = "available"
resources = { memory = "32MiB", cpus = 0.25 }
health = { http = "http://:80/healthz", every = "1s", fail_after = 3 }
"""
RECORDER = """
name = "recorder"

[workload.recorder]
image = "10.90.0.1:5000/web:1"
replicas = 1
failover = "strict"
health = { tcp = ":80", every = "2s", fail_after = 3 }
"""
SENSOR = """
name = "sensor"

[workload.reader]
image = "10.90.0.1:5000/web:1"
every = "role=sensor"
failover = "none"
secrets = { token = "/run/secrets/token" }
"""


@pytest.fixture
def ask(tmp_path):
    """Ask about a manifest; return what was printed."""

    def asked(text, *options):
        file = tmp_path / "asked.toml"
        file.write_text(text)
        words = [str(file), "--for", "40s", *options]
        found = CliRunner().invoke(simulate, words, catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.stdout

    return asked


@pytest.fixture
def story(ask):
    """Ask, and return what a program reads."""
    return lambda text, *options: json.loads(ask(text, *options, "-o", "json"))


def replicas(told):
    """What became of each, by name."""
    return {each["replica"]: each for each in told["replicas"]}


def test_web_of_five_survives_a_device_with_the_hub_cut(ask):
    """The issue's own words, on the manifest as it stands."""
    shown = ask(
        WEB, "--site", "a:5", "--kill", "n2@10s", "--cut", "n3-n4@20s",
        "--cut", "hub@5s", "--boot", "n2@30s", "--heal", "n3-n4@35s",
    )  # fmt: skip
    assert "10.000 s  n2      kill      loses power" in shown
    assert "takeover  web/web.2: taken over in term 2: n2 is dead" in shown
    assert "cut n3-n4" in shown
    assert shown.count("nobody") == 0


def test_web_of_three_says_why_its_third_replica_has_no_place(story):
    """Its port is taken wherever it could go."""
    found = replicas(story(WEB, "--site", "a:3", "--kill", "n1@10s"))["web/web.1"]
    assert found["nodes"] == []
    assert "port 8080/tcp is taken by web/web.2" in found["why"]


def test_a_strict_replica_never_runs_twice(story):
    """It moves when its lease is over, within lease + 2 s."""
    found = replicas(story(RECORDER, "--site", "a:5", "--kill", "n1@10s"))
    recorder = found["recorder/recorder.1"]
    assert recorder["takeovers"] == 1
    assert recorder["doubled_seconds"] == 0.0
    ((began, ended),) = recorder["gaps"]
    assert ended - began <= 8.0 + 2.0


def test_every_device_with_a_label_has_its_own(story):
    """A label is given on the command line."""
    found = story(SENSOR, "--site", "a:2", "--label", "n2:role=sensor")
    assert list(replicas(found)) == ["sensor/reader@n2"]
    assert story(SENSOR, "--site", "a:2")["unmatched"] == ["sensor/reader"]


def test_a_bad_network_is_no_death(story):
    """20 % loss and 50 to 250 ms: nobody is taken for dead."""
    found = story(WEB, "--site", "a:3", "--loss", "20%", "--delay", "50ms-250ms")
    assert {each["kind"] for each in found["timeline"]} == {"runs"}


def test_a_seed_is_the_luck(story):
    """The same again, or another."""
    options = ("--site", "a:3", "--kill", "n1@10s")
    one = story(WEB, *options, "--seed", "4")
    assert one == story(WEB, *options, "--seed", "4")
    assert one["digest"] != story(WEB, *options, "--seed", "5")["digest"]


@pytest.mark.parametrize(
    "options",
    [
        ("--site", "a"),
        ("--site", "a:0"),
        ("--site", "a:101"),
        ("--kill", "n9@1s"),
        ("--cut", "n1-n9@1s"),
        ("--heal", "n1-n2@1s"),
        ("--label", "n1"),
        ("--loss", "much"),
        ("--loss", "120%"),
        ("--delay", "250ms-50ms"),
        ("--delay", "slow"),
    ],
)
def test_slips_are_sentences(ask, options):
    """Each says what to write instead, or what is wrong."""
    with pytest.raises(ConfigError, match="cannot"):
        ask(WEB, *options)


def test_a_manifest_is_read_as_strictly_as_for_a_deploy(ask, tmp_path):
    """With the file's name, and no fleet asked."""
    with pytest.raises(ManifestError, match="replica"):
        ask(WEB.replace("replicas = 3", "replicaz = 3"))
    with pytest.raises(Ended, match="no such file"):
        CliRunner().invoke(simulate, [str(tmp_path / "no")], catch_exceptions=False)


def test_a_rollout_is_not_played(tmp_path):
    """It is said, and the rest is played as if it ran everywhere already."""
    file = tmp_path / "next.toml"
    file.write_text(f'{WEB}[rollout]\nstrategy = "canary"\n')
    words = [str(file), "--for", "5s"]
    found = CliRunner().invoke(simulate, words, catch_exceptions=False)
    assert found.exit_code == 0
    assert "rollouts are not played" in found.stderr
    assert "web.3" in found.stdout


def test_the_manual_names_every_option():
    """And nothing that is none."""
    manual = (Path(__file__).parents[3] / "docs/simulator.md").read_text()
    known = {each.opts[0] for each in simulate.params if each.opts[0] != "--context"}
    named = set(re.findall(r"^\| `(--?[a-z]+)", manual, re.MULTILINE))
    assert named == {"-o" if name == "--output" else name for name in known} - {"file"}
