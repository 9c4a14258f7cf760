"""What a simulated world leaves to tell, as text and as JSON."""

import json

from edge import model
from edge.ctl import playback, render
from edge.ctl.playback import SETTLED, Replica, Story, Told
from edge.sim import fleet
from edge.sim.faults import Fault
from edge.sim.scenario import Scenario


def workload(**fields):
    """A workload that moves."""
    given = {"replicas": 1, "failover": "available"} | fields
    return model.Workload(name="web", image=fleet.image("web:1"), **given)


def world(*faults, devices=3, **fields):
    """A site with one deployment, and what goes wrong with it."""
    return Scenario(
        seed=7,
        sites={"a": devices},
        lasts=SETTLED + 30.0,
        deployments={"shop": (workload(**fields),)},
        faults=faults,
    )


def test_a_lost_device_is_told_from_its_loss_to_the_answer_elsewhere():
    """With seconds that count from second 0."""
    story = playback.play(world(Fault(kind="kill", at=SETTLED + 10, node="n1")))
    kinds = [each.kind for each in story.timeline if each.kind != "moved"]
    assert kinds[:3] == ["runs", "kill", "ended"]
    assert kinds[-3:] == ["takeover", "started", "answers"]
    assert [each.at for each in story.timeline if each.kind == "kill"] == [10.0]
    (replica,) = story.replicas
    assert (replica.replica, replica.takeovers, replica.term) == ("shop/web.1", 1, 2)
    ((began, ended),) = replica.gaps
    assert began == 10.0
    assert ended - began < 4.0
    assert replica.doubled_seconds == 0.0


def test_the_same_question_has_the_same_answer():
    """To the last datagram, in pieces or at once."""
    asked = world(Fault(kind="kill", at=SETTLED + 10, node="n1"))
    heard: list[float] = []
    assert playback.play(asked) == playback.play(asked, heard.append)
    assert sum(heard) == asked.lasts


def test_nothing_is_told_of_a_quiet_fleet():
    """But who runs what."""
    story = playback.play(world())
    assert [each.kind for each in story.timeline] == ["runs"]
    assert story.replicas[0].gaps == ()


def test_what_no_device_is_for_is_named():
    """`every` with a label nobody wears."""
    story = playback.play(world(every="role=sensor", replicas=0, failover="none"))
    assert story.unmatched == ("shop/web",)
    assert "shop/web: no device is for it" in playback.told(story)


STORY = Story(
    seed=1,
    seconds=60.0,
    devices={"a": 2},
    timeline=(
        Told(at=0.0, node="n1", kind="runs", replica="shop/web.1", term=1),
        Told(at=9.5, node="n2", kind="alive", text="n1: "),
        Told(
            at=12.0,
            node="n2",
            kind="takeover",
            replica="shop/web.1",
            text="taken over in term 2: n1 is dead (silent for 1.1 s)",
        ),
    ),
    replicas=(
        Replica(
            replica="shop/web.1",
            nodes=(),
            term=0,
            gaps=((10.0, 12.5), (50.0, 60.0)),
            takeovers=1,
            doubled_seconds=0.25,
            why="n2: waiting for the lease",
        ),
    ),
    unmatched=(),
    digest="0",
)


def test_people_read_lines_and_a_table():
    """Noise is left out, and why a device is dead is not said twice."""
    told = playback.told(STORY).split("\n")
    assert told[0] == "    0.000 s  n1      runs      shop/web.1 (term 1)"
    assert told[1].endswith("shop/web.1: taken over in term 2: n1 is dead")
    assert told[-2].split() == [
        "REPLICA", "AT", "THE", "END", "NO", "ANSWER", "TAKEOVERS", "TWICE",
    ]  # fmt: skip
    assert "nobody: n2: waiting for the lease" in told[-1]
    assert "2.5 s + 10.0 s" in told[-1]
    assert told[-1].endswith("0.2 s")


def test_programs_read_all_of_it():
    """Every line, with numbers."""
    read = json.loads(render.to_json(STORY))
    assert [each["kind"] for each in read["timeline"]] == ["runs", "alive", "takeover"]
    assert read["replicas"][0]["gaps"] == [[10.0, 12.5], [50.0, 60.0]]
