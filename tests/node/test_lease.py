"""Leases: two devices never hold one at the same moment, whatever the network does."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.names import Slot
from node import lease
from node.lease import Denied, Granted, Holder, Released, Request, Voter

SLOT = Slot("recorder/recorder.1")
LEASE = 8.0


def voter(me: str = "d-v") -> Voter:
    """Return a voter among three."""
    made = Voter(me=me)
    made.take_up(1, ["d-a", "d-b", "d-v"], 0.0)
    return made


def request(term: int = 1, number: int = 1, voters: int = 1) -> Request:
    """Return a request for the slot."""
    return Request(SLOT, term, LEASE, voters, number)


def why(answer: Granted | Denied) -> str:
    """Return why there is no promise, "" if there is one."""
    return answer.why if isinstance(answer, Denied) else ""


def test_voter_promises_to_one_at_a_time() -> None:
    """Until the promise has run out."""
    held = voter()
    assert not why(held.receive(request(), "d-a", 10.0))
    assert why(held.receive(request(2), "d-b", 17.9)) == "held"
    assert not why(held.receive(request(2), "d-b", 18.0))


def test_promise_is_renewed_by_its_holder() -> None:
    """From the moment the new request arrives."""
    held = voter()
    held.receive(request(), "d-a", 10.0)
    held.receive(request(number=2), "d-a", 15.0)
    assert held.promises[SLOT].until == 23.0


def test_a_request_that_arrives_late_takes_nothing_back() -> None:
    """It may have waited in a broken connection, and its release with it."""
    held = voter()
    held.receive(Request(SLOT, 1, 2 * LEASE, 1, 7), "d-a", 10.0)
    held.receive(Request(SLOT, 1, LEASE, 1, 5), "d-a", 11.0)
    held.release(Released(SLOT, 1, 5), "d-a")
    assert held.promises[SLOT].until == 10.0 + 2 * LEASE
    held.release(Released(SLOT, 1, 7), "d-a")
    assert SLOT not in held.promises


def test_rounds_of_a_former_boot_count_no_more_once_the_promise_is_over() -> None:
    """A device that boots counts from the beginning."""
    held = voter()
    held.receive(Request(SLOT, 1, LEASE, 1, 7_000_000), "d-a", 10.0)
    held.receive(Request(SLOT, 1, LEASE, 1, 5), "d-a", 10.0 + LEASE)
    held.release(Released(SLOT, 1, 5), "d-a")
    assert SLOT not in held.promises


def test_lower_term_is_never_promised_again() -> None:
    """The term is the workload's fencing token."""
    held = voter()
    held.receive(request(5), "d-a", 0.0)
    assert why(held.receive(request(4), "d-b", 100.0)) == "older-term"
    assert why(held.receive(request(5), "d-b", 100.0)) == "older-term"


def test_voter_without_memory_abstains_for_one_lease() -> None:
    """It may have promised the slot just before it rebooted."""
    held = voter()
    held.longest = LEASE
    held.abstain(100.0)
    assert why(held.receive(request(), "d-a", 107.9)) == "abstaining"
    assert not why(held.receive(request(), "d-a", 108.0))


def test_voter_without_any_memory_abstains_for_the_lease_it_is_asked_for() -> None:
    """Its disk is damaged, or older than the first lease: the asker knows how long."""
    held = voter()
    held.abstain(100.0)
    assert why(held.receive(request(), "d-a", 100.0 + LEASE - 0.1)) == "abstaining"
    held.longest = 2 * LEASE  # a deployment that was not on the disk came in
    assert why(held.receive(request(), "d-a", 100.0 + LEASE)) == "abstaining"
    assert not why(held.receive(request(), "d-a", 100.0 + 2 * LEASE))


def test_new_version_of_the_voters_abstains_and_refuses_the_old() -> None:
    """Or two changes in a row would make two majorities that do not overlap."""
    held = voter()
    held.longest = LEASE
    held.take_up(3, ["d-v", "d-c", "d-d"], 50.0)
    assert why(held.receive(request(voters=2), "d-a", 70.0)) == "older-voters"
    assert why(held.receive(request(voters=3), "d-c", 57.0)) == "abstaining"


def test_who_is_no_voter_promises_nothing() -> None:
    """The operator says who counts."""
    assert why(voter("d-x").receive(request(), "d-a", 0.0)) == "no-voter"


def test_a_slot_that_is_not_of_this_site_any_more_is_promised_to_nobody_new() -> None:
    """Another site may have it. Where there is no plan, nothing speaks against it."""
    told, untold = voter(), voter()
    told.planned = frozenset({"web/web.1"})
    assert why(told.receive(request(), "d-a", 10.0)) == "not-planned"
    assert not why(untold.receive(request(), "d-a", 10.0))


def test_a_plan_takes_no_lease_away() -> None:
    """A hub that was taken over must not be able to stop what runs."""
    held = voter()
    held.receive(request(2), "d-a", 10.0)
    held.planned = frozenset()
    assert not why(held.receive(request(2, number=2), "d-a", 12.0))
    assert not why(held.receive(request(2, number=3), "d-a", 50.0)), (
        "after a reboot too"
    )
    assert why(held.receive(request(3), "d-b", 100.0)) == "not-planned"
    assert why(held.receive(request(3), "d-a", 100.0)) == "not-planned"


def test_a_refusal_says_how_long_it_stands() -> None:
    """Of a promise as long as it lasts, of a reboot as long as the longest lease."""
    held = voter()
    held.receive(request(), "d-a", 10.0)
    told = held.receive(request(2), "d-b", 16.5)
    assert isinstance(told, Denied)
    assert told.left == 1.5
    fresh = voter()
    fresh.abstain(10.0)
    told = fresh.receive(request(), "d-a", 13.0)
    assert isinstance(told, Denied)
    assert (told.why, told.left) == ("abstaining", LEASE - 3.0)


def denied(left: float) -> float:
    """Return the pause after both other voters refused for that long."""
    holder = Holder(me="d-v", slot=SLOT, term=2, lease=LEASE)
    voters = frozenset({"d-a", "d-b", "d-v"})
    asked = holder.ask(1, 10.0)
    assert asked is not None
    holder.receive(Granted(SLOT, 2, asked.round), "d-v", voters, 10.0)
    for other in ("d-a", "d-b"):
        answer = Denied(SLOT, 1, asked.round, "held", "d-a", left)
        holder.receive(answer, other, voters, 10.0)
    return holder.next_at - 10.0


def test_a_refused_holder_asks_again_when_the_promise_is_over() -> None:
    """Not a pause later; and at least every second, whatever it was told."""
    assert denied(0.3) == pytest.approx(0.3 + lease.SOON)
    assert denied(30.0) == lease.DENIED_AGAIN
    assert denied(0.0) == lease.DENIED_AGAIN


def test_late_release_undoes_no_newer_promise() -> None:
    """Datagrams overtake each other."""
    held = voter()
    held.receive(request(number=7), "d-a", 0.0)
    held.release(Released(SLOT, 1, 6), "d-a")
    assert SLOT in held.promises
    held.release(Released(SLOT, 1, 7), "d-b")
    assert SLOT in held.promises
    held.release(Released(SLOT, 1, 7), "d-a")
    assert SLOT not in held.promises


def test_holder_needs_a_majority_and_counts_from_the_asking() -> None:
    """An answer that took three seconds leaves three seconds less."""
    three = frozenset({"d-a", "d-b", "d-v"})
    holder = Holder(me="d-a", slot=SLOT, term=1, lease=LEASE)
    asked = holder.ask(1, 10.0)
    assert asked is not None
    granted = Granted(SLOT, 1, asked.round)
    holder.receive(granted, "d-a", three, 10.0)
    assert holder.held(10.1) is None
    holder.receive(granted, "d-x", three, 10.1)
    assert holder.held(10.1) is None
    holder.receive(granted, "d-v", three, 13.0)
    assert holder.until == 18.0
    assert holder.held(18.0 - lease.MARGIN) is None


def test_failed_round_is_given_back_unless_a_lease_is_held() -> None:
    """Two askers that hold a vote each would block each other for ever."""
    three = frozenset({"d-a", "d-b", "d-v"})
    holder = Holder(me="d-a", slot=SLOT, term=1, lease=LEASE)
    asked = holder.ask(1, 10.0)
    assert asked is not None
    for each in ("d-b", "d-v"):
        holder.receive(Denied(SLOT, 1, asked.round, "held"), each, three, 10.0)
    assert holder.give_back() == Released(SLOT, 1, asked.round)
    assert holder.give_back() is None
    assert holder.ask(1, 10.5) is None
    assert holder.ask(1, 10.0 + lease.DENIED_AGAIN) is not None


@given(st.binary(max_size=120))
def test_random_bytes_are_no_message(body: bytes) -> None:
    """Nothing raises."""
    found = lease.decode(body)
    assert found is None or lease.decode(lease.encode(found)) == found


class Site:
    """Voters and askers of one slot on a network that loses, delays and reorders."""

    def __init__(self, seed: int, count: int, loss: float) -> None:
        """Everybody is a voter, and may ask."""
        self.rng, self.loss, self.term = random.Random(seed), loss, 0
        self.names = [f"d-{number}" for number in range(count)]
        self.voters = {each: Voter(me=each, longest=LEASE) for each in self.names}
        for each in self.voters.values():
            each.take_up(1, self.names, 0.0)
        self.holders: dict[str, Holder] = {}
        self.mail: list[tuple[float, str, str, lease.LeaseMessage]] = []

    def post(self, now: float, sender: str, to: str, said: lease.LeaseMessage) -> None:
        """Put a message on its way, or lose it."""
        if self.rng.random() >= self.loss:
            self.mail.append((now + self.rng.uniform(0, 3), sender, to, said))

    def step(self, now: float) -> None:
        """Let something happen, then everybody ask and answer."""
        if self.rng.random() < 0.02:
            self.term += 1
            name = self.rng.choice(self.names)
            fresh = Holder(me=name, slot=SLOT, term=self.term, lease=LEASE)
            self.holders.setdefault(name, fresh)
        if self.rng.random() < 0.01:
            self.reboot(self.rng.choice(self.names), now)
        for name, holder in sorted(self.holders.items()):
            asked = holder.ask(1, now)
            for each in self.names if asked else ():
                self.post(now, name, each, asked or request())
        due = sorted(
            (each for each in self.mail if each[0] <= now), key=lambda each: each[:3]
        )
        self.mail = [each for each in self.mail if each[0] > now]
        for _, sender, to, message in due:
            self.deliver(now, sender, to, message)

    def reboot(self, name: str, now: float) -> None:
        """Promises are gone, terms are on disk."""
        self.voters[name].promises.clear()
        self.voters[name].abstain(now)
        self.holders.pop(name, None)

    def deliver(
        self, now: float, sender: str, to: str, message: lease.LeaseMessage
    ) -> None:
        """Hand a message over."""
        if isinstance(message, Request):
            answer = self.voters[to].receive(message, sender, now)
            self.post(now, to, sender, answer)
        elif isinstance(message, Granted | Denied) and to in self.holders:
            everyone = frozenset(self.names)
            self.holders[to].receive(message, sender, everyone, now)


@given(st.integers(0, 2**32), st.integers(2, 5), st.floats(0.0, 0.5))
def test_leases_of_two_devices_never_overlap(
    seed: int, count: int, loss: float
) -> None:
    """Under loss, delay, reordering and voters that lose their memory."""
    site = Site(seed, count, loss)
    for step in range(400):
        site.step(step * 0.25)
        held = [each.held(step * 0.25) for each in site.holders.values()]
        assert sum(each is not None for each in held) <= 1
