"""edgectl and rollouts, against a real hub; the devices are puppets that obey.

One story for the module, in order. What devices do by themselves is told elsewhere
(test_trials.py); here an operator looks, speaks and takes back.
"""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from edge.ctl.fleet import open_fleet
from edge.staging.shapes import Rollout, Wave
from tests.support import hubs, puppets, registries

NODES = ("n1", "n2", "n3")
LIMITS = Rollout(
    strategy="canary",
    waves=(Wave(nodes=("n1",)), Wave(share=10_000)),
    healthy_for=1.0,
    progress_deadline=120.0,
)
LOG = "listening\nno such table: users"


def proved(_):
    """The new version has been healthy for long enough."""
    return {"state": "running", "healthy": True, "proved": True}


class Story:
    """The hub, the registry and the devices of one fleet."""

    def __init__(self, site, registry, stage):
        self.site, self.registry, self.stage = site, registry, stage
        self.ec, self.rows = site.edgectl, site.rows

    def manifest(self, tag):
        """Write a manifest of three replicas and return its path."""
        path = self.site.folder / "web.toml"
        image = f"{self.registry.name}/web:{tag}"
        lines = ['name = "web"', "[workload.w]", f'image = "{image}"', "replicas = 3"]
        path.write_text("\n".join(lines))
        return str(path)

    def mood(self, mood, *names):
        """Have devices be so from now on, and say so."""
        for name in names or NODES:
            self.stage.puppets[name].mood = mood
        self.stage.report(*(names or NODES))

    def sign(self, number):
        """Sign the next version, one that goes through waves, with another variable."""
        os.environ["EDGE_HOME"] = str(self.site.home)
        with open_fleet() as opened:
            opened.sync_trust()
            opened.fetch("deployment/")
            before = opened.ledger.deployments["web"]
            head = opened.ledger.head("deployment/web")
            (workload,) = before.workloads
            made = msgspec.structs.replace(
                before,
                version=before.version + 1,
                issued_at=opened.now(),
                parent=head.digest if head else "",
                workloads=(msgspec.structs.replace(workload, env={"N": str(number)}),),
                rollout=LIMITS,
                fallback=before.version,
            )
            opened.submit(made)
        return made.version

    def status(self):
        """Return the rollout as edgectl shows it."""
        return self.rows("rollout", "status", "web")

    def watching(self):
        """Watch the rollout that is under way, from its first line on."""
        made = subprocess.Popen(
            [sys.executable, "-m", "edge.ctl.main", "rollout", "watch", "web"],
            env={**os.environ, "EDGE_HOME": str(self.site.home)},
            cwd=hubs.ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert made.stderr is not None
        assert "rolling out" in made.stderr.readline()
        return made

    def until(self, fact, is_so):
        """Wait until the rollout is so."""
        self.site.until(fact, lambda: is_so(self.status()))

    def versions(self):
        """Return device → the version it runs."""
        return {row["node"]: row["revision"] for row in self.rows("ps", "web")}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Three devices that run version 1."""
    folder = tmp_path_factory.mktemp("rollout")
    (folder / "registry").mkdir()
    with (
        hubs.site(folder) as site,
        registries.registry(folder / "registry") as registry,
        puppets.stage() as stage,
    ):
        for tag in ("1", "2"):
            registry.image("web", tag)
        site.edgectl("fleet", "init", "shop", "--no-passphrase")
        proof = site.init()
        site.start()
        site.edgectl("hub", "adopt", site.url, "--fingerprint", proof)
        join = site.edgectl("token", "create", "--site", "s", "--uses", "3").stdout
        for name in NODES:
            stage.join(name, join)
        site.until(
            "three devices are ready",
            lambda: (
                [row["state"] for row in site.rows("get", "nodes")] == ["ready"] * 3
            ),
        )
        made = Story(site, registry, stage)
        made.ec("deploy", made.manifest("1"))
        before = os.environ.get("EDGE_HOME")
        yield made
        os.environ.pop("EDGE_HOME", None)
        if before is not None:
            os.environ["EDGE_HOME"] = before


def test_without_a_rollout_there_is_nothing_to_say(story):
    """And each command says so in its own words."""
    assert story.status()["phase"] == "idle"
    assert "no rollout under way" in story.ec("rollout", "status", "web").stdout
    for word in ("pause", "resume", "promote", "abort"):
        done = story.ec("rollout", word, "web", code=1)
        assert f"cannot {word} web 1: no rollout is under way" in done.stderr
    assert (
        "no rollout is under way" in story.ec("rollout", "watch", "web", code=1).stderr
    )


def test_an_unknown_name_is_not_found(story):
    """Whatever is asked of it."""
    for words in (("status",), ("watch",), ("pause",), ("undo",), ("history",)):
        story.ec("rollout", *words, "nope", code=3)


def test_nothing_is_before_the_first_version(story):
    """What to do instead is said."""
    done = story.ec("rollout", "undo", "web", code=1)
    assert "it is the first version; `edgectl delete web` ends" in done.stderr


def test_an_undo_is_the_next_version_with_old_content(story):
    """Without limits it is everywhere at once."""
    story.ec("deploy", story.manifest("2"))
    done = story.ec("rollout", "undo", "web")
    assert "web 2: back to what version 1 said" in done.stderr
    assert "~ image: web:2 (" in done.stderr
    assert set(story.versions().values()) == {3}
    assert story.rows("diff", story.manifest("1"))["parts"] == []


def test_history_lists_what_was(story):
    """Newest first for people, oldest first for programs."""
    rows = story.rows("rollout", "history", "web")
    assert [(row["version"], row["is_newest"]) for row in rows] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    lines = story.ec("rollout", "history", "web").stdout.splitlines()
    assert lines[1].startswith("3 ")
    assert lines[1].endswith("newest")


def test_an_undo_may_name_a_version(story):
    """One that there was."""
    assert (
        "no such version"
        in story.ec("rollout", "undo", "web", "--to", "9", code=3).stderr
    )
    assert story.rows("rollout", "undo", "web", "--to", "2") == {
        "name": "web",
        "version": 4,
    }
    assert set(story.versions().values()) == {4}


def test_another_machine_believes_the_line(story):
    """It saw no old version; the newest one leads to them."""
    other = hubs.Site(
        folder=story.site.folder / "other",
        port=story.site.port,
        broker_port=story.site.broker_port,
    )
    root = story.rows("fleet", "show")["root"]
    words = ("--fleet", "shop", "--hub", story.site.url, "--root", root)
    other.edgectl("context", "add", "shop", *words)
    made = other.edgectl("key", "make", "--name", "anna", "--no-passphrase").stdout
    story.ec(*made.split()[1:])
    other.edgectl("rollout", "undo", "web", "--to", "1")
    assert set(story.versions().values()) == {5}


def test_a_rollout_under_way_is_shown(story):
    """Waves, devices, and what is waited for."""
    story.sign(6)
    story.until("n1 runs it", lambda found: found["units"][0]["version"] == 6)
    found = story.status()
    assert (found["phase"], found["wave"], found["waves"]) == ("rolling", 1, 2)
    assert [unit["wave"] for unit in found["units"]] == [1, 2, 2]
    text = story.ec("rollout", "status", "web").stdout
    assert text.startswith("web 6 (canary, over 5): rolling out, wave 1 of 2")
    assert "wave 1 of 2: 0 of 1 proved, 1 changing" in text
    assert "on n1: healthy, proving itself" in text


def test_a_pause_is_signed_and_taken_back(story):
    """Each word says what it will do and what it did."""
    done = story.ec("rollout", "pause", "web")
    assert "web 6 changes on no further device until it is resumed" in done.stderr
    story.until("it is paused", lambda found: found["phase"] == "paused")
    assert "paused by an operator" in story.ec("rollout", "status", "web").stdout
    assert "it is paused" in story.ec("rollout", "pause", "web", code=1).stderr
    word = story.rows("rollout", "resume", "web")
    assert word == {
        "name": "web",
        "version": 2,
        "target": 6,
        "action": "resume",
        "wave": 0,
    }
    story.until("it goes on", lambda found: found["phase"] == "rolling")
    assert "it is not paused" in story.ec("rollout", "resume", "web", code=1).stderr


def test_stopping_to_watch_cancels_nothing(story):
    """Exit 130, and how to come back."""
    watching = story.watching()
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=hubs.PATIENCE)
    assert watching.returncode == 130
    assert "web 6 goes on: `edgectl rollout watch web` comes back" in said
    assert story.status()["phase"] == "rolling"


def test_a_promote_opens_the_next_wave(story):
    """Without any proof; the rest of the way is watched."""
    story.ec("rollout", "promote", "web")
    story.until("its last wave is open", lambda found: found["wave"] == 2)
    assert (
        "its last wave is open" in story.ec("rollout", "promote", "web", code=1).stderr
    )
    with ThreadPoolExecutor(max_workers=1) as pool:
        watching = pool.submit(story.ec, "rollout", "watch", "web", "-o", "json")
        story.mood(proved)
        lines = watching.result().stdout.splitlines()
    assert json.loads(lines[-1])["phase"] == "done"
    assert set(story.versions().values()) == {6}
    assert "its rollout is done" in story.ec("rollout", "abort", "web", code=1).stderr


def test_a_failure_is_told_with_its_reason_and_its_log(story):
    """Exit 6; everything is back at the version before."""
    slot = next(u["slot"] for u in story.status()["units"] if u["node"] == "n1")
    story.stage.puppets["n1"].failures = (
        story.stage.puppets["n1"].failed(slot, 7, "code 1", LOG),
    )
    story.sign(7)
    done = story.ec("rollout", "watch", "web", code=6)
    assert "on n1" in done.stderr
    assert "    no such table: users" in done.stderr
    assert "version 6 runs again" in done.stderr
    assert set(story.versions().values()) == {6}
    assert (
        "failed and was taken back"
        in story.ec("rollout", "pause", "web", code=1).stderr
    )


def test_an_undo_goes_through_the_waves(story):
    """To the version that runs, as the next one."""
    done = story.ec("rollout", "undo", "web")
    assert "web 7: back to what version 6 said" in done.stderr
    assert "= unchanged w.1" in done.stderr
    assert "web 8: done" in done.stderr
    assert set(story.versions().values()) == {8}


def test_an_abort_takes_everything_back(story):
    """Exit 6 for whoever watches."""
    story.mood(puppets.well)
    story.sign(9)
    story.until("n1 runs it", lambda found: found["units"][0]["version"] == 9)
    done = story.ec("rollout", "abort", "web")
    assert "go back to version 8" in done.stderr
    done = story.ec("rollout", "watch", "web", code=6)
    assert "aborted" in done.stderr
    assert set(story.versions().values()) == {8}
    assert "was aborted" in story.ec("rollout", "resume", "web", code=1).stderr


def test_a_newer_version_overtakes(story):
    """Exit 8 for whoever watched the one before."""
    story.sign(10)
    watching = story.watching()
    story.until("n1 runs it", lambda found: found["units"][0]["version"] == 10)
    story.sign(11)
    _, said = watching.communicate(timeout=hubs.PATIENCE)
    assert watching.returncode == 8
    assert "someone signed version 11" in said
