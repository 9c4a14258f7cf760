"""edgectl against a real hub, broker and registry; the devices are puppets.

One story for the module, in order: what an operator types from the first day on, and
what goes wrong on the way. Containers are the lab's matter (test_fleet.py).
"""

import json
import tomllib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import hubs, puppets, registries

NODES = ("n1", "n2", "n3")
VALUE = b"correct-horse-battery-staple"


class Story:
    """The hub, the registry and the devices of one fleet."""

    def __init__(self, site, registry, stage):
        self.site, self.registry, self.stage = site, registry, stage
        self.ec, self.rows = site.edgectl, site.rows
        self.proof = ""
        self.other = site

    def manifest(self, name, image="web:1", **fields):
        """Write a manifest of one workload ``w`` and return its path."""
        lines = [f'name = "{name}"', "[workload.w]"]
        lines.append(f'image = "{self.registry.name}/{image}"')
        if "every" not in fields:
            fields = {"replicas": 1, **fields}
        lines += [f"{key} = {value}" for key, value in fields.items()]
        path = self.site.folder / f"{name}.toml"
        path.write_text("\n".join(lines))
        return str(path)

    def device(self, name):
        """Return a puppet."""
        return self.stage.puppets[name]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A hub that was just made, a registry with images, no device yet."""
    folder = tmp_path_factory.mktemp("ctl")
    (folder / "registry").mkdir()
    with (
        hubs.site(folder) as site,
        registries.registry(folder / "registry") as registry,
        puppets.stage() as stage,
    ):
        registry.image("web", "1")
        registry.image("web", "2")
        yield Story(site, registry, stage)


def test_a_fleet_begins_once(story):
    """The second `fleet init` is refused and changes nothing."""
    first = story.ec("fleet", "init", "shop", "--no-passphrase").stdout
    assert first.startswith("sha256:")
    assert "one already" in story.ec("fleet", "init", "shop", code=1).stderr
    assert story.rows("fleet", "show")["root"] == first.strip()


def test_without_a_hub_the_next_step_is_told(story):
    """Exit 1: nothing is unreachable, nothing was adopted."""
    assert "run `edgectl hub adopt`" in story.ec("ps", code=1).stderr


def test_a_hub_is_adopted_by_its_fingerprint_and_code(story):
    """Another fingerprint, or another code, is not allowed."""
    proof = story.proof = story.site.init()
    story.site.start()
    adopt = ("hub", "adopt", story.site.url, "--fingerprint")
    fingerprint = proof.partition(":")[0]
    assert "its fingerprint is" in story.ec(*adopt, "0" * 64, code=4).stderr
    assert "one-time code" in story.ec(*adopt, f"{fingerprint}:wrong", code=4).stderr
    story.ec(*adopt, proof)
    assert story.rows("trust", "show")["hubs"][0]["url"] == story.site.url


def test_adopting_again_changes_nothing(story):
    """The same hub, the same word of root."""
    before = story.rows("trust", "show")["version"]
    story.ec("hub", "adopt", story.site.url, "--fingerprint", story.proof)
    assert story.rows("trust", "show")["version"] == before


def test_devices_join_with_a_token(story):
    """The file goes to stdout, what a person should know to stderr."""
    words = ("token", "create", "--site", "store-7", "--uses", "20")
    done = story.ec(*words, "--label", "role=sensor", "--expires", "24h")
    join = tomllib.loads(done.stdout)
    assert (join["fleet"], join["hubs"]) == ("shop", [story.site.url])
    assert "20 devices at store-7" in done.stderr
    for name in NODES:
        story.stage.join(name, done.stdout)

    def is_ready():
        return [row["state"] for row in story.rows("get", "nodes")] == ["ready"] * 3

    story.site.until("three devices are ready", is_ready)
    (token,) = story.rows("token", "list")
    assert (token["used"], token["state"]) == (3, "open")


def test_get_nodes_has_the_promised_shape(story):
    """Exactly these keys."""
    keys = "name id site labels state address revisions last_seen"
    assert [" ".join(row) for row in story.rows("get", "nodes")] == [keys] * 3


def test_looking_is_remembered(story):
    """When a device was first seen decides whether it is approved in bulk."""
    heads = json.loads((story.site.home / "contexts/shop/heads.json").read_bytes())
    assert set(heads["first_seen"]) == {story.device(name).id for name in NODES}


def test_a_plan_signs_nothing(story):
    """It says where each replica would go."""
    plan = story.rows("plan", story.manifest("web", replicas=3))
    assert [(c["kind"], c["node"]) for c in plan["changes"]] == [
        ("new", node) for node in NODES
    ]
    assert story.rows("get", "deployments") == []


def test_a_deploy_ends_when_all_are_healthy(story):
    """And `ps` has the promised shape."""
    story.ec("deploy", story.manifest("web", replicas=3))
    rows = story.rows("ps")
    keys = "deployment workload replica revision node site state healthy address since"
    assert [" ".join(row) for row in rows] == [keys] * 3
    assert {(row["healthy"], row["revision"]) for row in rows} == {(True, 1)}


def test_the_same_again_is_no_new_version(story):
    """It still waits for healthy."""
    done = story.ec("deploy", story.manifest("web", replicas=3))
    assert "web 1: nothing to change" in done.stderr


def test_a_difference_is_told_field_by_field(story):
    """Images by tag and digest; nothing is signed."""
    manifest = story.manifest("web", "web:2", replicas=3)
    found = story.rows("diff", manifest)
    (part,) = found["parts"]
    assert (part["name"], part["kind"], found["version"]) == ("w", "changed", 2)
    (field,) = part["fields"]
    assert field["path"] == "image"
    assert field["before"].startswith("web:1 (")
    assert field["after"].startswith("web:2 (")
    assert "~ image: web:1 (" in story.ec("diff", manifest).stdout


def test_a_plan_says_what_is_fetched_and_who_is_away(story):
    """The puppets never lost a layer that the old image has."""
    manifest = story.manifest("web", "web:2", replicas=3)
    plan = story.rows("plan", manifest)
    size = len(b"web 2 amd64")
    assert [(c["pull"], c["order"]) for c in plan["changes"]] == [
        (size, "stop-first")
    ] * 3
    assert plan["pulls"] == ["0.0 MiB on 3 devices, at most 0.0 MiB on one"]
    assert "the manifest has no [rollout]" in plan["losses"][0]


def test_a_script_asks_whether_something_changes(story):
    """0 nothing, 2 something, 1 an error of any kind."""
    same = story.manifest("web", replicas=3)
    assert "unchanged" in story.ec("plan", same, "--exit-code").stdout
    story.ec("diff", same, "--exit-code")
    other = story.manifest("web", "web:2", replicas=3)
    for word in ("plan", "diff"):
        story.ec(word, other, "--exit-code", code=2)
        story.ec(word, "nowhere.toml", "--exit-code", code=1)
        story.ec(word, "nowhere.toml", code=3)


def test_another_image_is_the_next_version(story):
    """Every replica changes where it is."""
    manifest = story.manifest("web", "web:2", replicas=3)
    changes = story.rows("plan", manifest)["changes"]
    assert {change["kind"] for change in changes} == {"changed"}
    story.ec("deploy", manifest)
    assert {row["revision"] for row in story.rows("ps")} == {2}


@pytest.mark.parametrize(
    ("image", "fields", "code", "said"),
    [
        ("nope:1", {}, 1, "bad.toml:3: workload.w.image: cannot find"),
        ("web@sha256:" + "0" * 64, {}, 1, "the registry has no such image"),
        ("web:1", {"require": '{ zone = "x" }'}, 6, "needs label zone=x"),
        ("web:1", {"resources": '{ memory = "64GiB" }'}, 6, "MiB free (n1, n2, n3)"),
        ("web:1", {"every": '"role=x"'}, 6, "would run nowhere"),
        ("web:1", {"colour": "3"}, 1, "bad.toml:5: workload.w.colour"),
        ("web:1", {"replicas": '"three"'}, 1, "bad.toml:4: workload.w.replicas"),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_signed(
    story, image, fields, code, said
):
    """With the line, or with a reason for each device."""
    done = story.ec("deploy", story.manifest("bad", image, **fields), code=code)
    assert said in done.stderr
    assert [row["name"] for row in story.rows("get", "deployments")] == ["web"]


def test_waves_are_planned_by_name(story):
    """The plan says of each device in which wave it changes."""
    manifest = story.manifest("web", "web:1", replicas=3)
    file = story.site.folder / "web.toml"
    file.write_text(f'{file.read_text()}\n[rollout]\nstrategy = "canary"\n')
    plan = story.rows("plan", manifest)
    assert sorted(change["wave"] for change in plan["changes"]) == [1, 2, 2]


def test_a_port_that_is_taken_everywhere_is_refused(story):
    """By whom, on each device."""
    story.ec("deploy", story.manifest("web", replicas=3, ports='["80:80"]'))
    done = story.ec("deploy", story.manifest("bad", ports='["80:80"]'), code=6)
    assert "port 80/tcp is taken by web/w.1 (n1)" in done.stderr


def test_what_has_no_place_fails_after_the_rest_works(story):
    """Exit 6, unless that was allowed."""
    story.ec("delete", "web")
    manifest = story.manifest("web", replicas=4, ports='["80:80"]')
    assert "cannot place web/w.4" in story.ec("deploy", manifest, code=6).stderr
    assert sum(row["healthy"] for row in story.rows("ps", "web")) == 3
    story.ec("deploy", manifest, "--allow-unplaced")


def test_a_failing_device_fails_the_deploy_with_its_reason(story):
    """Exit 6, naming it."""
    story.device("n2").mood = lambda _: {"state": "failed", "reason": "no room"}
    manifest = story.manifest("ill", every='"*"')
    done = story.ec("deploy", manifest, code=6)
    assert "w@n2 on n2 failed: no room" in done.stderr
    story.device("n2").mood = puppets.well


def test_a_deploy_that_takes_too_long_goes_on(story):
    """Exit 7, with what was seen last."""
    for name in NODES:
        story.device(name).mood = lambda _: {"state": "pulling", "reason": "12 MB"}
    manifest = story.manifest("slow", "web:2")
    done = story.ec("deploy", manifest, "--timeout", "2s", code=7)
    assert "it goes on" in done.stderr
    assert "pulling (12 MB)" in done.stderr
    for name in NODES:
        story.device(name).mood = puppets.well
    story.ec("deploy", story.manifest("slow", "web:2", env='{ A = "1" }'))


def test_delete_waits_until_it_is_gone(story):
    """A second time there is nothing to find."""
    for name in ("ill", "slow", "web"):
        story.ec("delete", name)
    assert story.rows("ps") == []
    assert "no such deployment" in story.ec("delete", "web", code=3).stderr


def test_a_deleted_name_may_begin_again(story):
    """With the next number."""
    story.ec("deploy", story.manifest("web"))
    assert story.rows("get", "deployments")[0]["version"] > 1
    story.ec("delete", "web")


def test_a_secret_that_is_not_set_is_said(story):
    """The plan warns; the deploy is signed and waits for it."""
    manifest = story.manifest(
        "sensor", every='"role=sensor"', secrets='{ token = "/run/secrets/token" }'
    )
    assert story.rows("plan", manifest)["secrets"] == [
        "secret sensor/token was never set"
    ]
    assert "never set" in story.ec("deploy", manifest, code=6).stderr


def test_a_secret_reaches_the_devices_that_need_it(story):
    """Setting it approves them, and the deployment finds its places."""
    story.ec("node", "label", "n3", "role=spare")
    done = story.ec("secret", "set", "sensor/token", "--from-file", "-", given=VALUE)
    assert "approved n1" in done.stderr

    def has_it():
        held = {name: story.device(name).secrets for name in NODES}
        return held == {
            "n1": {"sensor/token": VALUE},
            "n2": {"sensor/token": VALUE},
            "n3": {},
        }

    story.site.until("n1 and n2 hold the secret, n3 does not", has_it)
    (row,) = story.rows("secret", "list")
    assert row == {
        "name": "sensor/token",
        "version": 1,
        "nodes": ["n1", "n2"],
        "used": True,
    }


def test_a_newcomer_gets_it_by_sync(story):
    """Without anyone typing the value again."""
    story.ec("node", "label", "n3", "role=sensor")
    assert "sealed sensor/token for 1 device" in story.ec("secret", "sync").stderr
    story.site.until("n3 holds it", lambda: story.device("n3").secrets)
    done = story.ec("secret", "sync")
    assert done.stderr == "every device holds what it needs\n"


def test_a_new_value_replaces_the_old_one(story):
    """Each holder gets it."""
    story.ec("secret", "set", "sensor/token", "--from-file", "-", given=b"new")

    def is_new():
        return all(
            story.device(name).secrets == {"sensor/token": b"new"} for name in NODES
        )

    story.site.until("everyone has the new value", is_new)


def test_no_value_is_on_the_operators_disk_or_in_the_hub(story):
    """Only sealed copies leave this machine."""
    files = [path for path in story.site.folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if VALUE in path.read_bytes()] == []


def test_a_drained_device_is_left(story):
    """And takes part again."""
    story.ec("deploy", story.manifest("web", replicas=2))
    said = story.ec("node", "drain", "n1", "--wait").stderr
    assert "on n1 stays until a copy elsewhere is healthy" in said
    assert "n1: nothing is left there" in said

    def is_left():
        rows = story.rows("ps", "web")
        places = {row["node"] for row in rows if row["healthy"]}
        return places == {"n2", "n3"} and len(rows) == 2

    story.site.until("web left n1", is_left)
    story.ec("node", "uncordon", "n1")


def test_a_plan_says_what_a_lost_device_means(story):
    """By the mode, on the site at hand."""
    manifest = story.manifest("far", failover='"available"')
    (said,) = story.rows("plan", manifest)["prospects"]
    assert "if its device is lost, it moves to" in said
    assert "moves only where 2 of 3 devices reach each other" in said


def test_strict_work_names_the_voters_of_its_site(story):
    """All three devices, once, in one go with the deployment."""
    manifest = story.manifest("till", failover='"strict"')
    plan = story.rows("plan", manifest)
    assert plan["voters"] == ["n1, n2, n3 vote at store-7 from now on"]
    assert "2 of 3 voters (n1, n2, n3) are reached" in plan["prospects"][0]
    assert story.rows("site", "voters", "store-7")["version"] == 0
    assert "n1, n2, n3 vote at store-7" in story.ec("deploy", manifest).stderr
    assert story.rows("plan", manifest)["voters"] == []


def test_voters_change_one_at_a_time_and_not_too_early(story):
    """The version before must be known to a majority."""
    words = ("site", "voters", "store-7")

    def is_known():
        return story.rows(*words)["held_by"] == ["n1", "n2", "n3"]

    story.site.until("the voters know that they are", is_known)
    assert "cannot change 2 voters" in story.ec(*words, "--set", "n1", code=1).stderr
    assert "no approved device" in story.ec(*words, "--add", "n9", code=1).stderr
    done = story.ec(*words, "--remove", "n3")
    assert "n3 votes no more (version 2)" in done.stderr
    assert "a majority of 2 is 2" in done.stdout
    assert story.rows(*words)["voters"] == ["n1", "n2"]
    done = story.ec(*words, "--add", "n3", "--force")
    assert story.rows(*words)["version"] == 3
    story.ec(*words, "--add", "n3", "--remove", "n1", code=2)
    story.ec("site", "voters", "nowhere", code=3)
    story.ec("delete", "till")


def test_doctor_finds_nothing_wrong(story):
    """Every line is fine."""
    found = story.rows("doctor")
    assert [each for each in found if each["level"] == "problem"] == []
    assert {"key", "broker", "devices"} <= {each["subject"] for each in found}


def test_a_dashboard_gets_a_certificate(story):
    """Three files, the key for its owner alone."""
    folder = story.site.folder / "dash"
    story.ec("mqtt", "certificate", "board", "--folder", str(folder))
    assert sorted(path.name for path in folder.iterdir()) == [
        "board.crt",
        "board.key",
        "ca.crt",
    ]
    assert (folder / "board.key").stat().st_mode & 0o077 == 0
    story.ec("mqtt", "certificate", "board", "--folder", str(folder))


def test_another_operator_deploys_from_another_machine(story):
    """Root adds the key; from then on each sees what the other signed."""
    root = story.rows("fleet", "show")["root"]
    other = story.other = hubs.Site(
        folder=story.site.folder / "other",
        port=story.site.port,
        broker_port=story.site.broker_port,
    )
    words = ("--fleet", "shop", "--hub", story.site.url, "--root", root)
    other.edgectl("context", "add", "shop", *words)
    made = other.edgectl("key", "make", "--name", "anna", "--no-passphrase").stdout
    assert made.startswith("edgectl operator add anna ")
    assert "no operator" in other.edgectl("ps", code=4).stderr
    story.ec(*made.split()[1:])
    other.edgectl("deploy", story.manifest("web", "web:2", replicas=2))
    (web,) = [row for row in story.rows("get", "deployments") if row["name"] == "web"]
    assert web["version"] == story.rows("plan", story.manifest("web"))["version"] - 1


def test_who_is_overtaken_ends_with_8(story):
    """While one watches, another operator deploys the same name."""
    for name in NODES:
        story.device(name).mood = lambda _: {"state": "pulling"}
    with ThreadPoolExecutor(max_workers=1) as pool:
        first = story.manifest("race")
        watching = pool.submit(story.ec, "deploy", first, code=8)

        def is_begun():
            return any(row["deployment"] == "race" for row in story.rows("ps"))

        story.site.until("the first one waits", is_begun)
        second = story.manifest("race", env='{ A = "1" }')
        story.other.edgectl("deploy", second, "--timeout", "1s", code=7)
        assert "someone signed version 2" in watching.result().stderr
    for name in NODES:
        story.device(name).mood = puppets.well
    story.ec("delete", "race")


def test_an_older_answer_of_the_hub_is_noticed(story):
    """This machine remembers what it saw."""
    heads = story.site.home / "contexts/shop/heads.json"
    kept = json.loads(heads.read_bytes())
    kept["heads"]["deployment/gone"] = {
        "counter": [3],
        "digest": "sha256:" + "0" * 64,
    }
    heads.write_text(json.dumps(kept))
    done = story.ec("get", "deployments")
    assert "the hub no longer shows deployment/gone" in done.stderr


def test_a_revoked_device_is_gone_for_good(story):
    """Its secrets are named, its name is not found again."""
    done = story.ec("node", "revoke", "n3", "--yes")
    assert "it held sensor/token: set them anew" in done.stderr
    states = {row["name"]: row["state"] for row in story.rows("get", "nodes")}
    assert states["n3"] == "revoked"
    assert "it was revoked" in story.ec("node", "approve", "n3", code=3).stderr


def test_events_tell_what_was_decided(story):
    """One JSON object a line."""
    lines = story.ec("events", "-o", "json").stdout.splitlines()
    kinds = {json.loads(line)["kind"] for line in lines}
    assert "accepted" in kinds


def test_the_registry_may_be_down(story):
    """Exit 1, before anything is signed."""
    story.registry.stop()
    done = story.ec("deploy", story.manifest("web", "web:1"), code=1)
    assert "cannot ask registry" in done.stderr


def test_the_hub_may_be_down(story):
    """Exit 5, whatever is asked."""
    story.site.stop()
    for words in (("ps",), ("get", "nodes"), ("token", "create", "--site", "x")):
        assert "cannot reach https://127.0.0.1" in story.ec(*words, code=5).stderr
    (found,) = [
        each
        for each in json.loads(story.ec("doctor", "-o", "json", code=1).stdout)
        if each["level"] == "problem"
    ]
    assert found["subject"] == "hub"
