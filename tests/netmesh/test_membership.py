"""A site of machines on an invented network: what they find out, and what they do not.

The figures of `docs/failover.md` are asserted here in virtual time.
"""

import statistics
from collections.abc import Callable
from random import Random

import pytest

from netmesh import wire
from netmesh.evidence import LONGEST_SILENCE
from netmesh.gossip import verify_beat
from netmesh.membership import Membership
from netmesh.post import Send
from netmesh.probing import RESTART_FOR
from netmesh.view import Address
from netmesh.wire import News, Suspicion
from tests.support.mesh_net import PORT, Net, address, roster


def settled(**settings) -> Net:
    """A site that has met and been at it for a while."""
    net = Net(**settings)
    net.run_until(net.is_whole, 60)
    net.run(5)
    return net


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_a_site_meets_within_a_second_and_finds_the_dead(count):
    """From the cut to everybody's verdict: a second, and a little more for two."""
    times = []
    for seed in range(3 if count == 20 else 8):
        net = settled(count=count, seed=seed)
        net.isolate("n2")
        del net.machines["n2"]
        took = net.run_until(lambda net=net: net.everybody_sees("n2", "dead"), 5)
        times.append(took)
        assert {who for _, _, who in net.deaths()} == {"n2"}
    assert statistics.median(times) <= (1.5 if count == 2 else 1.2)


def test_a_verdict_says_what_was_tried():
    """A verdict says what was tried."""
    net = settled()
    net.kill("n3")
    net.run(2)
    peer = net.peer("n1", "n3")
    assert peer.state == "dead"
    assert "directly" in peer.reason
    assert "through neighbours" in peer.reason


@pytest.mark.parametrize("count", [5, 20, 50])
def test_traffic_is_bounded_whatever_the_size(count):
    """Less than a kilobyte a second of UDP payload."""
    net = settled(count=count)
    net.run(5)
    net.sent.clear()
    net.run(10)
    assert max(net.sent.values()) / 10 <= 1000


@pytest.mark.parametrize("loss", [0.2, 0.36])
@pytest.mark.parametrize("delay", [(0.0002, 0.0008), (0.05, 0.25)])
def test_a_bad_network_is_no_death(loss, delay):
    """It turns bad from one moment to the next, and one device is busy besides."""
    net = settled(seed=3)
    net.loss, net.delay = loss, delay
    rng = Random(3)
    for _ in range(60):
        net.stalls["n1"] = net.now + rng.uniform(0, 0.4)
        net.run(1.0)
    assert net.deaths() == []


def test_a_death_is_found_on_a_bad_network_too():
    """A death is found on a bad network too."""
    for seed in range(4):
        net = settled(seed=seed, loss=0.2)
        net.run(20)
        net.kill("n2")
        net.run_until(lambda net=net: net.everybody_sees("n2", "dead"), 5)
        assert {who for _, _, who in net.deaths()} == {"n2"}


def test_a_daemon_that_starts_again_is_no_death():
    """It says so before; what runs there runs on."""
    for seed in range(8):
        net = settled(seed=seed)
        net.say("n2", lambda machine, net=net: machine.restart(net.now))
        net.kill("n2")
        net.run(5)
        assert net.deaths() == []
        net.start("n2")
        net.run_until(net.is_whole, 5)
        net.run(5)
        net.kill("n2")
        net.run_until(lambda net=net: net.everybody_sees("n2", "dead"), 2)


def test_a_daemon_that_does_not_come_back_is_gone():
    """Its word buys it some seconds, and no more."""
    net = settled()
    net.say("n2", lambda machine: machine.restart(net.now))
    net.kill("n2")
    took = net.run_until(lambda: net.everybody_sees("n2", "dead"), 20)
    assert RESTART_FOR <= took <= RESTART_FOR + 2


def test_a_pause_of_ours_is_not_held_against_others():
    """SIGSTOP for a while: we wake, and find nobody dead."""
    for pause in (0.5, 5.0, 300.0):
        net = settled()
        net.stalls["n1"] = net.now + pause
        net.run(pause + 3)
        assert not [each for each in net.deaths() if each[1] == "n1"]
        assert net.is_whole()


def test_a_device_that_slept_knows_that_contact_was_lost():
    """A device that slept knows that contact was lost."""
    net = settled()
    before = net.now
    net.stalls["n1"] = net.now + 3
    net.run(6)
    assert net.peer("n1", "n2").lost_at >= before
    assert net.peer("n2", "n1").lost_at >= before


def test_whoever_was_taken_for_dead_knows_it_may_have_been():
    """Law: if n1 held n2 for dead, n2 knows of a gap to n1 as well."""
    for seed in range(12):
        net = settled(seed=seed)
        before = net.now
        net.isolate("n2")
        net.run(0.8 + seed * 0.1)
        net.heal()
        net.run(5)
        assert net.is_whole()
        for _, of, who in net.deaths():
            assert net.peer(who, of).lost_at >= before, (seed, of, who)


def test_contact_that_held_is_not_lost():
    """Contact that held is not lost."""
    net = settled()
    met = net.now
    net.run(30)
    assert net.peer("n1", "n2").lost_at < met


def test_contact_was_missing_until_it_was_there_again():
    """What somebody took while it was cut off, it took without contact."""
    net = settled()
    net.isolate("n2")
    net.run(10)
    net.heal()
    healed = net.now
    net.run(5)
    assert net.is_whole()
    assert net.peer("n1", "n2").lost_at >= healed
    assert net.peer("n2", "n1").lost_at >= healed


def test_a_one_way_line_is_gone_around():
    """A one way line is gone around."""
    net = settled()
    net.cut(("n1", "n2"))
    net.run(10)
    assert net.deaths() == []
    assert net.peer("n2", "n1").path == "peer"
    net.heal()
    net.run(5)
    assert net.peer("n2", "n1").path == "direct"


@pytest.mark.parametrize("shape", ["ring", "bridge"])
def test_whoever_is_reached_through_others_is_alive(shape):
    """Each device has somebody in between who reaches both."""
    net = settled(count=3)
    net.cut(("n1", "n3"), ("n3", "n1"))
    net.run(20)
    assert net.deaths() == []
    net.say("n1", lambda m: m.tell(net.devices["n3"].id, b"round", net.now))
    net.run(0.1)
    assert net.mail["n3"] == [("n1", b"round")]
    assert shape


def test_the_broker_is_a_way_too():
    """Multicast and LAN are blocked, the hub is there: nobody is dead."""
    net = settled(count=2)
    net.online = {"n1", "n2"}
    for name in net.machines:
        net.say(name, lambda m: m.set_links(hub=True, broker=True, now=net.now))
    net.cut(("n1", "n2"), ("n2", "n1"))
    net.run(20)
    assert net.deaths() == []
    assert net.peer("n1", "n2").path == "broker"
    net.online.clear()
    net.run_until(lambda: net.everybody_sees("n2", "dead"), 10)


def test_members_meet_by_hints_alone():
    """The plan has no addresses; mDNS says where one of them is."""
    net = Net(count=3, is_placed=False)
    net.run(5)
    assert not net.is_whole()
    for one, other in (("n1", "n2"), ("n3", "n1"), ("n3", "n2")):
        id_ = net.devices[other].id
        net.say(one, lambda m, i=id_, o=other: m.hint(i, address(o), net.now))
    net.run_until(net.is_whole, 5)


def test_an_address_that_changes_heals():
    """DHCP gave n2 another one; n2 speaks first."""
    net = settled()
    net.moved["n2"] = ("10.0.0.77", PORT)
    net.run(3)
    assert net.deaths() == []
    assert net.peer("n1", "n2").address == ("10.0.0.77", PORT)


def test_a_restarted_device_is_met_again():
    """A restarted device is met again."""
    net = settled()
    net.kill("n4")
    net.run(3)
    net.start("n4")
    net.run_until(net.is_whole, 5)
    assert {who for _, _, who in net.deaths()} == {"n4"}


def test_whoever_leaves_is_not_called_dead():
    """Whoever leaves is not called dead."""
    net = settled()
    net.say("n2", lambda m: m.leave(net.now))
    net.run(0.3)
    assert net.everybody_sees("n2", "leaving")
    net.kill("n2")
    net.run(5)
    assert net.everybody_sees("n2", "leaving")
    net.start("n2")
    net.run(8)
    assert net.is_whole()


def test_claims_reach_everybody_at_once_and_newcomers_on_contact():
    """Claims reach everybody at once and newcomers on contact."""
    net = settled(loss=0.1)
    net.say("n1", lambda m: m.announce("web/web.1", b"mine", net.now))
    net.run(0.5)
    for name in ("n2", "n3", "n4", "n5"):
        said = net.machines[name].view(net.now).rumours[net.devices["n1"].id]
        assert said == {"web/web.1": b"mine"}
    net.kill("n5")
    net.start("n5")
    heard = lambda: net.machines["n5"].rumours.said_by(net.devices["n1"].id)  # noqa: E731
    net.run_until(lambda: bool(heard()), 3)
    net.say("n1", lambda m: m.withdraw("web/web.1", net.now))
    net.run_until(lambda: not heard(), 5)


def test_what_got_lost_is_found_by_comparing():
    """n3 was cut off while n1 spoke, and n1 is gone when it is back."""
    net = settled(count=4)
    net.isolate("n3")
    net.run(3)
    net.say("n1", lambda m: m.announce("web/web.1", b"mine", net.now))
    net.run(2)
    net.kill("n1")
    net.heal()
    said = lambda: net.machines["n3"].rumours.said_by(net.devices["n1"].id)  # noqa: E731
    assert said() != {"web/web.1": b"mine"}
    net.run_until(lambda: said() == {"web/web.1": b"mine"}, 20)


def test_a_device_without_hub_says_that_it_lives():
    """A device without hub says that it lives."""
    net = settled(count=3, is_sealed=True)
    net.say("n2", lambda m: m.set_links(hub=True, broker=False, now=net.now))
    net.say("n1", lambda m: m.set_links(hub=False, broker=False, now=net.now))
    net.run(12)
    beat = net.peer("n2", "n1").beat
    n1 = net.devices["n1"]
    first = verify_beat(beat, n1.id, n1.sign.public)
    assert first is not None
    assert net.peer("n1", "n2").has_hub
    net.run(12)
    later = verify_beat(net.peer("n2", "n1").beat, n1.id, n1.sign.public)
    assert later is not None
    assert later > first


def test_a_liar_kills_nobody():
    """It suspects n2 all the time, and never passes anything on."""
    net = settled(is_sealed=True)
    liar, n2 = net.machines["n3"], net.devices["n2"].id
    for _ in range(100):
        lie = Suspicion(wire.hint(n2), liar.neighbours[n2].incarnation)
        for name in ("n1", "n4", "n5"):
            victim = liar.neighbours[net.devices[name].id]
            sent = liar.post.send(victim, News(), victim.direct, 0, (lie,))
            net.act("n3", [*sent])
        net.run(0.1)
    assert net.deaths() == []
    assert net.sees("n1", "n2") == "alive"


def test_strangers_change_nothing():
    """Random, truncated, bit-flipped, replayed and foreign datagrams."""
    net = settled(is_sealed=True)
    recorded: list[bytes] = []
    net.tap = lambda _, sent: recorded.append(sent.datagram)
    net.run(5)
    net.tap = None
    machine = net.machines["n1"]
    before = machine.view(0.0)
    rng = Random(5)
    for datagram in forgeries(recorded, rng):
        effects = machine.receive(datagram, ("10.9.9.9", 1), net.now)
        assert not [each for each in effects if not isinstance(each, Send)]
    assert machine.view(0.0) == before
    assert sum(machine.post.refused.values()) > 1000
    net.run(10)
    assert net.deaths() == []


def forgeries(recorded: list[bytes], rng: Random) -> list[bytes]:
    """What an attacker on the LAN can send."""
    found = [rng.randbytes(rng.randrange(1300)) for _ in range(500)]
    found += recorded
    for each in recorded:
        found.append(each[: rng.randrange(len(each))])
        flipped = bytearray(each)
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        found.append(bytes(flipped))
    return found


def test_yesterdays_datagrams_are_worth_nothing_after_a_restart():
    """Yesterdays datagrams are worth nothing after a restart."""
    net = settled(count=2, is_sealed=True)
    recorded: list[bytes] = []
    net.tap = keeper("n2", recorded)
    net.run(5)
    net.tap = None
    net.kill("n2")
    net.kill("n1")
    net.start("n1")
    for datagram in recorded:
        net.machines["n1"].receive(datagram, address("n2"), net.now)
    assert net.sees("n1", "n2") == "unknown"


def test_a_replayed_greeting_gets_few_answers():
    """An attacker cannot make us shout: one answer in a fifth of a second."""
    net = settled(count=2, is_sealed=True)
    net.kill("n2")
    hellos: list[bytes] = []
    net.tap = keeper("n2", hellos)
    net.start("n2")
    net.tap = None
    machine = net.machines["n1"]
    answers = [
        each
        for _ in range(1000)
        for hello in hellos
        for each in machine.receive(hello, ("10.6.6.6", 9), net.now)
    ]
    assert len(answers) <= 1


def test_two_devices_with_one_key_do_not_stop_the_others():
    """A cloned card: the site sees one of them, and nobody dies of it."""
    net = settled(count=4)
    clone = Net(count=4, seed=9).machines["n2"]
    source: Address = ("10.0.0.99", PORT)
    for _ in range(50):
        for effect in clone.tick(net.now):
            if isinstance(effect, Send):
                for name in ("n1", "n3", "n4"):
                    if effect.address == address(name):
                        machine = net.machines[name]
                        found = machine.receive(effect.datagram, source, net.now)
                        answer_clone(clone, found, name, net.now)
        net.run(0.2)
    alive = ("n1", "n3", "n4")
    assert all(net.sees(a, b) == "alive" for a in alive for b in alive if a != b)


def answer_clone(clone: Membership, found: list, name: str, now: float) -> None:
    """Let the clone hear what was meant for its address."""
    for each in found:
        if isinstance(each, Send) and each.address == ("10.0.0.99", PORT):
            clone.receive(each.datagram, address(name), now)


def test_the_roster_says_who_belongs():
    """The roster says who belongs."""
    net = settled(count=4)
    smaller = roster([net.devices[name] for name in ("n1", "n2", "n3")])
    for name in ("n1", "n2", "n3"):
        net.say(name, lambda m: m.set_roster(smaller, net.now))
    net.run(3)
    assert set(net.machines["n1"].neighbours) == {
        net.devices["n2"].id,
        net.devices["n3"].id,
    }
    assert net.sees("n1", "n2") == "alive"
    assert net.machines["n1"].post.refused["stranger"] > 0


def test_the_same_seed_gives_the_same_story():
    """The same seed gives the same story."""
    stories = []
    for _ in range(2):
        net = settled(seed=11, loss=0.3)
        net.isolate("n2")
        net.run(5)
        stories.append(({k: list(v) for k, v in net.states.items()}, dict(net.sent)))
    assert stories[0] == stories[1]


def test_a_message_has_its_limit():
    """A message has its limit."""
    net = settled(count=2)
    other = net.devices["n2"].id
    fits, not_so = b"x" * wire.BODY_MAX, b"x" * (wire.BODY_MAX + 1)
    assert net.machines["n1"].tell(other, fits, net.now)
    assert net.machines["n1"].tell(other, not_so, net.now) == []
    assert net.machines["n1"].tell("d-nobody", b"x", net.now) == []


def test_two_devices_wait_longest():
    """Nobody else can say that the other one is silent."""
    net = settled(count=2)
    net.kill("n2")
    took = net.run_until(lambda: net.everybody_sees("n2", "dead"), 5)
    assert took >= LONGEST_SILENCE - 0.4


def keeper(name: str, found: list[bytes]) -> Callable[[str, Send], None]:
    """Something that records what one machine sends."""

    def keep(sender: str, sent: Send) -> None:
        if sender == name:
            found.append(sent.datagram)

    return keep
