from edge.model import Held
from edge.mqtt import Message
from hub import strangers
from hub.strangers import Strangers
from tests.support import builders
from tests.support.builders import NOW, Device, signed

N1, N2 = Device("n1"), Device("n2")
LATER = NOW + 60


def lists(*streams: str) -> tuple[Held, ...]:
    """What a report says is held."""
    return tuple(Held(stream=s, version=1, digest=builders.INDEX) for s in streams)


def message(device: Device = N1, name: str = "n1", **changes: object) -> Message:
    """A report on the topic of a node."""
    given = {"held": lists(f"member/{device.id}"), **changes}
    data = signed(builders.report(device, **given))
    topic = f"edge/v1/shop/nodes/{name}/report"
    return Message(topic=topic, payload=data, retain=True)


def test_a_stranger_is_asked_who_it_is() -> None:
    """In the order of judging, and of nothing that is another's."""
    own = ("voucher/v1", f"member/{N1.id}", f"node/{N1.id}", "trust")
    held = lists(*reversed(own), f"member/{N2.id}", "deployment/web")
    made = Strangers()
    assert made.hear("n1", message(held=held), LATER, NOW)
    assert made.asked("n1") == ("trust", *own[:3])
    assert made.asked("n2") == ()


def test_a_report_speaks_for_its_own_name() -> None:
    """And nonsense for nobody."""
    made = Strangers()
    assert not made.hear("n2", message(name="n2"), LATER, NOW)
    nonsense = Message(topic="", payload=b"{}", retain=False)
    other = Message(topic="", payload=signed(builders.deployment()), retain=False)
    assert not made.hear("n1", nonsense, LATER, NOW)
    assert not made.hear("n1", message(held=lists("voucher/v1")), LATER, NOW)
    assert not made.hear("n1", other, LATER, NOW)


def test_who_is_known_now_is_heard_again() -> None:
    """Its newest report waited for it."""
    made = Strangers()
    made.hear("n1", message(seq=1), LATER, NOW)
    newest = message(seq=2)
    made.hear("n1", newest, LATER + 60, NOW + 60)
    assert made.waiting["n1"].until == LATER  # talking on wins no time
    assert made.answered("n1", 0.0, is_known=True).report == newest
    assert made.hear("n1", newest, LATER, NOW)


def test_who_stays_unknown_is_not_asked_for_a_while() -> None:
    """Whether it answered with something else, or not at all."""
    made = Strangers()
    made.hear("n1", message(), LATER, NOW)
    made.answered("n1", NOW + 3600, is_known=False)
    assert not made.hear("n1", message(), LATER, NOW + 1)
    made.hear("n2", message(N2), LATER, NOW)
    assert made.settle(NOW + 3600, NOW + 59) == ()
    assert made.settle(NOW + 3600, LATER) == ("n2",)
    assert made.waiting == {}


def test_only_so_many_wait() -> None:
    """Whoever owns the broker can invent names."""
    made = Strangers()
    for number in range(strangers.STRANGERS_MAX):
        made.waiting[f"x{number}"] = strangers.Stranger(
            device="", streams=(), report=message(), until=LATER
        )
    assert not made.hear("n1", message(), LATER, NOW)
