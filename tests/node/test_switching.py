"""What a device says of switches over the mesh, and when it decides anew."""

import msgspec
import pytest

from edge.errors import StoreError
from edge.names import Slot
from netmesh.view import Peer, Roster, RosterEntry, View
from node import intents
from node.intents import Answer, Ask, Intent
from node.site import MAIL_MAX, Site
from node.switching import PREPARING
from tests.node import test_site as sites
from tests.node.test_agent import folder
from tests.node.test_site import N2, SLOT, FakeMesh, FakeWork, Start, start
from tests.support import builders as a

__all__ = ["folder", "start"]
KEY = intents.key("web")
NEW = 2


def device(start: Start, **rollout: object) -> Site:
    """A device that runs the slot, healthy, under a rollout of its deployment."""
    site = start()
    sites.give(site)
    newest = site.agent.ledger.deployments["web"]
    site.agent.ledger.deployments["web"] = msgspec.structs.replace(
        newest, rollout=a.rollout(**rollout)
    )
    work(site).versions[SLOT] = 1
    return site


def work(site: Site) -> FakeWork:
    """What runs on it."""
    assert isinstance(site.running, FakeWork)
    return site.running


def mesh(site: Site) -> FakeMesh:
    """What it says to whom."""
    assert isinstance(site.mesh, FakeMesh)
    return site.mesh


def beside(site: Site, intent: Intent | None = None) -> None:
    """Put a neighbour into the site that is alive."""
    entry = RosterEntry(device=N2.id, name="n2", mesh="", sign="")
    site.papers.read()
    site.papers.roster = Roster(site="s", members={N2.id: entry})
    said = {KEY: intents.encode(intent)} if intent else {}
    peer = Peer(device=N2.id, name="n2", state="alive", since=0.0)
    sites.made_at[0] = 200.0  # long after the start
    mesh(site).view = View(at=200.0, peers={N2.id: peer}, rumours={N2.id: said})


def said(site: Site) -> Intent | None:
    """What it announces of its replicas."""
    return intents.decode(mesh(site).announced.get(KEY, b""))


def test_device_alone_may_switch_and_decides_anew(start: Start) -> None:
    """The agent asks, and is rung when the answer changes."""
    site = device(start)
    site.turn()
    rung: list[str] = []
    site.bell = lambda: rung.append("bell")
    site.want({SLOT: NEW})
    assert site.may_switch(SLOT, NEW) == "waiting for neighbours: asking them"
    assert site.woken.is_set()
    site.turn()
    assert site.may_switch(SLOT, NEW) == ""
    assert "bell" in rung


def test_neighbour_is_asked_and_its_answer_lets_the_copy_stop(start: Start) -> None:
    """An intent for all, a question to each."""
    site = device(start)
    site.turn()
    beside(site)
    site.want({SLOT: NEW})
    site.turn()
    intent = said(site)
    assert intent is not None
    assert intent.ticket > 0
    waits = {SLOT: "waiting for neighbours: asking them"}
    assert site.shown()["switches"] == waits
    (to, body) = mesh(site).told[-1]
    ask = intents.decode_message(body)
    assert isinstance(ask, Ask)
    answer = Answer("web", ask.ticket, ask.round, 1, 0)
    site.take_mail(to, intents.encode_message(answer))
    site.turn()
    assert site.may_switch(SLOT, NEW) == ""
    assert said(site) == Intent(down=1)
    assert site.shown()["switches"] == {}
    site.agent.places[SLOT] = a.place(SLOT, NEW)
    work(site).versions[SLOT] = NEW
    site.turn()
    assert said(site) == Intent()
    assert site.shown()["switches"] == {}


def test_nobody_is_asked_before_everything_is_here(start: Start) -> None:
    """Others wait for us while we hold a permit: not for a slow registry."""
    site = device(start)
    site.turn()
    beside(site)
    work(site).unready.add(SLOT)
    site.want({SLOT: NEW})
    site.turn()
    assert site.may_switch(SLOT, NEW) == PREPARING
    assert said(site) == Intent()
    work(site).unready.clear()
    site.turn()
    assert site.may_switch(SLOT, NEW) != PREPARING


def test_neighbours_question_is_answered_in_the_next_turn(start: Start) -> None:
    """With what is down here."""
    site = device(start)
    work(site).versions.clear()
    beside(site, Intent(ticket=7))
    site.take_mail(N2.id, intents.encode_message(Ask("web", 7, 1)))
    site.turn()
    (to, body) = mesh(site).told[-1]
    assert to == N2.id
    assert intents.decode_message(body) == Answer("web", 7, 1, 1, 1)


def test_questions_do_not_pile_up_while_the_disk_refuses(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are answered when it takes again what is written."""
    site = device(start)
    beside(site, Intent(ticket=7))

    def full(_: object) -> None:
        raise StoreError("cannot write: no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(site.memory, "write", full)
        for number in range(3 * MAIL_MAX):
            site.take_mail(N2.id, intents.encode_message(Ask("web", 7, number + 1)))
            site.turn()
    site.turn()
    answers = [intents.decode_message(body) for _, body in mesh(site).told]
    assert len(answers) == MAIL_MAX
    assert answers[-1] == Answer("web", 7, 3 * MAIL_MAX, 1, 0)


def test_rumour_ends_with_the_last_replica(start: Start) -> None:
    """And is said once, not with every turn."""
    site = device(start)
    site.turn()
    assert said(site) == Intent()
    mesh(site).announced.clear()
    site.turn()
    assert said(site) is None
    mesh(site).announced[KEY] = b"x"
    site.agent.places.clear()
    site.turn()
    assert KEY not in mesh(site).announced


def test_copy_that_cannot_move_is_announced_as_such(start: Start) -> None:
    """With this device it would be gone."""
    site = device(start)
    site.turn()
    fixed = Slot("web/web@n1")
    site.agent.places[fixed] = a.place(fixed)
    work(site).versions[fixed] = 1
    site.turn()
    assert said(site) == Intent(fixed=1)
