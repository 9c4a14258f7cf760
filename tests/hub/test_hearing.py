from collections import Counter

import msgspec
import pytest

from edge import placement
from edge.model import Held, Neighbour
from edge.mqtt import Message
from edge.names import NodeName, Slot
from edge.trust import Accepted, judge
from hub import hearing
from hub.assignments import Holding
from hub.fleet import Presence
from hub.hearing import NOTHING, Effects, Hearing
from hub.state import State
from tests.hub.test_beats import signs_of
from tests.support import builders, staged
from tests.support.builders import HUB, NOW, Device, empty_ledger, enrolled, signed

N1, N2 = Device("n1"), Device("n2")


class Ear:
    """A hub's ear, its memory and the clock on the wall."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.hearing = Hearing(counters=self.counters)
        self.state = State(hub=HUB.public, ledger=empty_ledger())
        self.now = NOW
        for each in enrolled(N1, N2):
            self.take(each)

    def take(self, data: bytes) -> None:
        verdict = judge(data, self.state.ledger, self.now)
        assert isinstance(verdict, Accepted)
        self.state.take(verdict)

    def hear(self, leaf: str, payload: bytes, *, retain: bool = False) -> Effects:
        topic = f"edge/v1/shop/nodes/{leaf}"
        message = Message(topic=topic, payload=payload, retain=retain)
        return self.hearing.receive(self.state, message, self.now)

    def report(self, seq: int = 1, *, retain: bool = False, **changes) -> Effects:
        data = signed(builders.report(N1, seq, **changes))
        return self.hear("n1/report", data, retain=retain)


@pytest.fixture
def ear() -> Ear:
    """An ear that knows n1 and n2."""
    return Ear()


def test_a_first_report_is_stored_published_and_decided_by(ear: Ear) -> None:
    """What the device is, is new."""
    effects = ear.report()
    assert (effects.node, effects.reported) == ("n1", N1.id)
    assert effects.is_deciding
    assert effects.is_change
    assert ear.state.heard[N1.id].at == NOW


def test_a_report_that_says_nothing_new_of_the_device_decides_nothing(ear: Ear) -> None:
    """A thousand of them a minute must not place a fleet anew."""
    ear.report(1)
    assert not ear.report(2).is_deciding
    assert ear.report(3, facts=builders.facts(cpus=1)).is_deciding


def test_while_a_node_hands_over_every_report_may_end_it(ear: Ear) -> None:
    """The new holder is healthy now, perhaps."""
    ear.report(1)
    ear.state.is_handing_over = True
    assert ear.report(2).is_deciding


def test_who_comes_back_may_take_what_found_no_place(ear: Ear) -> None:
    """Otherwise it changes nothing."""
    ear.report(1)
    ear.hear("n1/status", b'{"state":"offline"}')
    ear.state.placement = placement.assign([builders.deployment()], [], {})
    assert ear.hear("n1/status", b'{"state":"online"}').is_deciding
    assert not ear.hear("n1/status", b'{"state":"online"}').is_deciding


def test_a_report_is_the_word_of_its_own_topic(ear: Ear) -> None:
    """The broker lets nobody write there but that device."""
    data = signed(builders.report(N2))
    assert ear.hear("n1/report", data) == NOTHING
    assert ear.counters == {"report: wrong-topic": 1}
    assert ear.state.heard == {}


def test_another_document_on_a_report_topic_changes_nothing(ear: Ear) -> None:
    """However well it is signed."""
    ear.hear("n1/report", signed(builders.deployment()))
    assert ear.counters == {"report: wrong-topic": 1}
    assert ear.state.ledger.deployments == {}


def test_a_forged_report_is_counted(ear: Ear) -> None:
    """Under the name of the refusal."""
    forged = signed(builders.report(N1), builders.STRANGER)
    assert ear.hear("n1/report", forged) == NOTHING
    assert ear.counters == {"report: not-authorised": 1}


def test_what_the_broker_kept_does_not_make_a_device_present(ear: Ear) -> None:
    """It was said at an unknown time."""
    ear.report(retain=True)
    assert ear.state.presence == {}
    ear.report(retain=False)
    assert ear.state.presence[N1.id] == Presence(is_online=True, at=NOW)


def test_a_last_will_is_a_hint(ear: Ear) -> None:
    """It shows at once, and a live report takes it back."""
    assert ear.hear("n1/status", b'{"state":"offline"}').is_change
    assert not ear.state.presence[N1.id].is_online
    ear.report()
    assert ear.state.presence[N1.id].is_online


def test_a_kept_online_says_nothing_of_now(ear: Ear) -> None:
    """The device may be gone since."""
    ear.hear("n1/status", b'{"state":"online"}', retain=True)
    assert ear.state.presence == {}


@pytest.mark.parametrize(
    "payload",
    [b"{", b'{"state":"else"}', b'{"state":"online","x":1}', b" " * 300, b"\xff"],
)
def test_a_status_that_cannot_be_read_is_counted(ear: Ear, payload: bytes) -> None:
    """Nothing else happens."""
    assert ear.hear("n1/status", payload) == NOTHING
    assert ear.counters == {"status: malformed": 1}


def test_the_same_key_on_two_machines_raises_one_alarm(ear: Ear) -> None:
    """The clone's reports are overtaken for ever; people are told once."""
    ear.report(9)
    first = ear.report(3, instance="i-2")
    again = ear.report(4, instance="i-2")
    (event,) = first.events
    assert (event.kind, event.subject) == ("alarm", "n1")
    assert "two machines" in ear.state.alarms[N1.id]
    assert again == NOTHING
    assert ear.counters == {"report: rolled-back": 2}


def test_the_same_number_with_other_content_is_a_clone_too(ear: Ear) -> None:
    """Both count from where the disk was copied."""
    ear.report(9)
    effects = ear.report(9, instance="i-2", address="10.0.0.9")
    assert effects.events[0].kind == "alarm"
    assert ear.counters == {"report: conflict": 1}


def test_a_device_that_counts_on_beside_its_copy_raises_an_alarm(ear: Ear) -> None:
    """The copy started later, so it is the true one that is overtaken."""
    ear.report(9)
    ear.report(1, boot=2, instance="i-2")
    (event,) = ear.report(10).events
    assert event.kind == "alarm"


def test_an_old_report_of_a_start_that_was_seen_is_no_alarm(ear: Ear) -> None:
    """A broker that was restored says again what it had."""
    ear.report(9)
    ear.report(1, boot=2, instance="i-2")
    assert ear.report(3, retain=True) == NOTHING


def test_a_hub_that_lost_documents_says_so_once(ear: Ear) -> None:
    """A restored backup shows."""
    lost = Held(stream="deployment/gone", version=4, digest=builders.INDEX)
    first = ear.report(1, held=(lost,))
    again = ear.report(2, held=(lost,))
    assert [each.kind for each in first.events] == ["behind"]
    assert "deployment/gone" in first.events[0].text
    assert again.events == ()
    assert ear.report(3).events == ()


def event(**changes: object) -> bytes:
    """What a device tells of itself."""
    fields = {"at": 1.0, "kind": "failed", "subject": "web/web.1", "text": "no image"}
    return msgspec.json.encode({**fields, **changes})


def test_an_event_is_kept_with_the_hubs_time_and_the_devices_name(ear: Ear) -> None:
    """A device's clock may say 1970."""
    (told,) = ear.hear("n1/event", event()).events
    assert (told.at, told.kind, told.subject) == (NOW, "failed", "n1 web/web.1")


def test_an_event_cannot_command_a_terminal(ear: Ear) -> None:
    """It is text of a stranger, shown to an operator."""
    (told,) = ear.hear("n1/event", event(text="\x1b[2Jhi\n", kind="a\x07")).events
    assert (told.text, told.kind) == ("�[2Jhi�", "a�")


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        event(at="x"),
        event(text="x" * 3000),
        event(kind="k" * 65),
        b'{"at":1e400}',
    ],
)
def test_an_event_that_is_too_much_is_counted(ear: Ear, payload: bytes) -> None:
    """Size, shape, numbers."""
    assert ear.hear("n1/event", payload) == NOTHING
    assert ear.counters == {"event: malformed": 1}


def test_a_flood_of_events_is_cut(ear: Ear) -> None:
    """One device cannot push all others out of the list."""
    burst = int(hearing.EVENT_RATE.burst)
    kept = [bool(ear.hear("n1/event", event()).events) for _ in range(burst + 3)]
    assert kept.count(True) == burst
    assert ear.counters == {"event: too-many": 3}
    assert ear.hear("n2/event", event()).events


@pytest.mark.parametrize("leaf", ["n9/report", "n1/telemetry/x", "N!/report", "n1"])
def test_a_strange_topic_is_counted_under_a_name_of_ours(ear: Ear, leaf: str) -> None:
    """A sender's words never become a counter."""
    assert ear.hear(leaf, b"x") == NOTHING
    (name,) = ear.counters
    assert name.partition(":")[0] in {"report", "message"}


def test_a_cleared_topic_is_nobodys_word(ear: Ear) -> None:
    """The hub clears them itself."""
    assert ear.hear("n1/report", b"") == NOTHING
    assert ear.counters == {}


def test_a_revoked_device_is_not_heard_but_noticed(ear: Ear) -> None:
    """It is still connected: the door needs a look."""
    ear.take(signed(builders.revocation(devices=(N1.id,))))
    assert ear.report() == Effects(intruder="n1")
    assert ear.hear("n1/event", event()) == Effects(intruder="n1")
    assert ear.report(retain=True) == NOTHING
    assert ear.hear("n1/status", b'{"state":"offline"}') == NOTHING  # its last will
    assert ear.counters["report: revoked"] == 2
    assert ear.state.heard == {}


def test_a_term_the_hub_does_not_know_needs_a_decision(ear: Ear) -> None:
    """A neighbour took over; what it took before decides nothing again."""
    web = builders.workload(failover="available")
    ear.take(signed(builders.deployment(workloads=(web,))))
    ear.report(1)
    slot = Slot("web/web.1")
    ear.state.holdings[slot] = Holding(node=NodeName("n2"), term=1)
    for seq, (term, is_news) in enumerate([(1, False), (2, True), (3, True)], start=2):
        took = builders.status(slot, term=term)
        assert ear.report(seq, replicas=(took,)).is_deciding == is_news
    ear.state.holdings[slot] = Holding(node=NodeName("n1"), term=3)
    assert not ear.report(9, replicas=(took,)).is_deciding


def test_signs_of_life_of_others_are_remembered(ear: Ear) -> None:
    """What the broker kept proves nothing of now."""
    first, second, third = signs_of(N2, 3)
    for seq, (beat, retain) in enumerate(
        [(first, False), (second, True), (third, False)], start=1
    ):
        said = Neighbour(device=N2.id, name="n2", state="alive", beat=beat)
        ear.report(seq, neighbours=(said,), retain=retain)
        known = ear.state.beats[N2.id]
        assert (known.text, known.at) == (beat, NOW if beat == third else 0.0)


def test_a_report_that_moves_a_rollout_is_decided_upon(ear: Ear) -> None:
    """And no other one while it is under way."""
    hub = staged.rolling()
    ear.state.courses = hub.state.courses
    ear.state.assignments = hub.state.assignments
    ear.report()
    trying = builders.status("web/web@n1", 2, healthy=False, state="starting")
    assert ear.report(2, replicas=(trying,)).is_deciding
    assert not ear.report(3, replicas=(trying,)).is_deciding
    up = builders.status("web/web@n1", 2)
    assert ear.report(4, replicas=(up,)).is_deciding


def test_a_rollout_is_looked_at_when_a_device_goes_away_and_when_it_is_back(
    ear: Ear,
) -> None:
    """It may be the one that was waited for."""
    ear.report()
    assert not ear.hear("n1/status", b'{"state":"offline"}').is_deciding
    hub = staged.rolling()
    ear.state.courses = hub.state.courses
    ear.state.assignments = hub.state.assignments
    assert ear.hear("n1/status", b'{"state":"online"}').is_deciding
    assert ear.hear("n1/status", b'{"state":"offline"}').is_deciding
