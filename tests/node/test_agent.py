"""A device's beliefs: judged, on disk before they count, the same after a restart."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge import documents, envelope
from edge.errors import StoreError, TrustError
from node import device as devices
from node import identity, journal
from node.agent import Agent
from node.device import Device
from node.settings import Settings
from tests.support import builders as a

KEYS = "keys.json"
WEB = a.place("web/web.1")


@pytest.fixture
def folder(tmp_path):
    """A state folder of a device that enrolled as n1."""
    (tmp_path / "anchor").write_text(f"shop {a.empty_ledger().anchor}\n")
    keys = identity.create(tmp_path / KEYS, os.urandom)
    device = opened(tmp_path)
    member = documents.Member(
        fleet=a.FLEET,
        device=keys.device,
        name="n1",
        version=1,
        voucher="v1",
        keys=keys.public,
    )
    signed = documents.sign(member, a.JOIN, keys.sign)
    for each in (a.signed(a.trusted()), a.signed(a.voucher()), signed):
        verdict = a.trust.judge(each, device.ledger, a.NOW)
        device.ledger.record(verdict)
        device.store.keep([verdict], device.ledger)
    return tmp_path


def opened(folder) -> Device:
    """Open the device as a start of the daemon does."""
    settings = Settings(state=folder)
    return devices.open_device(settings, None, os.urandom, lambda: a.NOW)


def agent(folder) -> Agent:
    """Return the agent of a fresh start."""
    log = journal.load(folder / "events.jsonl")
    return Agent(device=opened(folder), journal=log, facts=a.facts())


def assigned(who: Agent, *places: object, seq: int = 1) -> bytes:
    """Return the hub's assignment to this device."""
    document = documents.Assignment(
        fleet=a.FLEET,
        node="n1",
        device=who.device.identity.device,
        generation=1,
        term=1,
        seq=seq,
        replicas=tuple(places),
    )
    return a.signed(document)


def test_a_deployment_and_an_assignment_make_a_replica(folder):
    """Both words together say what to run, and it is on disk."""
    who = agent(folder)
    place = a.place("web/web.1")
    bundle = envelope.bundle([a.signed(a.deployment()), assigned(who, place)])
    assert who.receive(bundle)
    assert [each.slot for each in who.replicas()] == ["web/web.1"]
    assert [each.slot for each in agent(folder).replicas()] == ["web/web.1"]


def test_the_same_message_again_changes_nothing(folder):
    """A republished bundle is known."""
    who = agent(folder)
    bundle = envelope.bundle([a.signed(a.deployment())])
    assert who.receive(bundle)
    assert not who.receive(bundle)


def test_an_emptied_assignment_keeps_the_replica_through_a_restart(folder):
    """The hub cannot take away, and neither can a reboot."""
    who = agent(folder)
    first = assigned(who, a.place("web/web.1"))
    who.receive(envelope.bundle([a.signed(a.deployment()), first]))
    who.receive(envelope.bundle([assigned(who, seq=2)]))
    assert [each.slot for each in agent(folder).replicas()] == ["web/web.1"]
    assert who.intake.refusals["assignment: takes-away"] >= 1


def test_a_tombstone_ends_it(folder):
    """The operator's word needs no assignment."""
    who = agent(folder)
    first = assigned(who, a.place("web/web.1"))
    who.receive(envelope.bundle([a.signed(a.deployment()), first]))
    who.receive(envelope.bundle([a.signed(a.tombstone())]))
    assert who.replicas() == ()


def test_an_older_deployment_after_a_restart_is_refused(folder):
    """Nothing goes backwards, whatever was forgotten in between."""
    agent(folder).receive(envelope.bundle([a.signed(a.deployment("web", 2))]))
    again = agent(folder)
    again.receive(envelope.bundle([a.signed(a.deployment("web", 1))]))
    assert again.intake.refusals == {"deployment: rolled-back": 1}


def test_the_report_lists_what_is_held(folder):
    """The hub learns which documents it need not send."""
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(a.deployment())]))
    report = who.report(counter=(1, 2), instance="i", address="10.0.0.1", replicas=())
    assert "deployment/web" in {each.stream for each in report.held}
    assert (report.boot, report.seq, report.address) == (1, 2, "10.0.0.1")


def test_a_lost_document_is_not_listed(folder):
    """What is damaged on disk is asked for by not listing it."""
    agent(folder).receive(envelope.bundle([a.signed(a.deployment())]))
    (folder / "documents" / "deployment+web.1.json").write_bytes(b"x")
    who = agent(folder)
    assert "deployment/web" not in {each.stream for each in who.held()}


def test_secrets_of_this_device_open(folder):
    """The box on disk gives the value, for this device alone."""
    who = agent(folder)
    workload = a.workload("reader", secrets={"token": "/run/s/token"})
    made = a.deployment("sensor", workloads=(workload,))
    place = assigned(who, a.place("sensor/reader.1"))
    who.receive(envelope.bundle([a.signed(made), place]))
    assert who.replicas()[0].waits_for == "waiting for secret sensor/token"
    who.receive(envelope.bundle([sealed_for(who)]))
    (replica,) = who.replicas()
    assert who.open_secrets(replica) == {"token": b"hunter2"}


def test_a_secret_for_another_device_is_refused(folder):
    """The recipient is outside and inside."""
    who = agent(folder)
    other = a.signed(a.secret("sensor/token", a.Device("n2")))
    who.receive(envelope.bundle([other]))
    assert who.intake.refusals == {"secret: wrong-recipient": 1}


def test_a_secret_that_vanished_from_disk_is_a_named_refusal(folder):
    """The replica is not started with half its secrets."""
    who = agent(folder)
    who.receive(envelope.bundle([sealed_for(who)]))
    for path in (folder / "documents").glob("secret+*"):
        path.unlink()
    workload = a.workload("reader", secrets={"token": "/run/s/token"})
    made = a.deployment("sensor", workloads=(workload,))
    who.receive(
        envelope.bundle([a.signed(made), assigned(who, a.place("sensor/reader.1"))])
    )
    with pytest.raises(TrustError, match="not on this disk"):
        who.open_secrets(who.replicas()[0])


def test_a_full_disk_changes_no_belief(folder, monkeypatch):
    """What could not be written is not acted on, and counted."""
    who = agent(folder)

    def full(*_: object) -> None:
        raise StoreError("cannot write: No space left on device")

    monkeypatch.setattr(who.device.store, "keep", full)
    assert not who.receive(envelope.bundle([a.signed(a.deployment())]))
    assert "web" not in who.ledger.deployments
    assert who.intake.refusals == {"store: not-stored": 1}


def test_a_device_that_waits_for_approval_is_not_ready(folder):
    """The node document makes it ready."""
    who = agent(folder)
    voucher = a.voucher(approve=True)
    who.ledger.vouchers["v1"] = voucher
    who.ledger.revision += 1
    assert not who.standing().is_ready


def sealed_for(who: Agent) -> bytes:
    """Return a secret sealed to this very device."""
    me = who.device.identity
    inside = documents.SecretValue(
        fleet=a.FLEET,
        name="sensor/token",
        version=1,
        recipient=me.device,
        value=a.sealing.to_text(b"hunter2"),
    )
    box = a.sealing.seal(me.seal.public, documents.sign(inside, a.OPERATOR))
    outside = documents.Secret(
        fleet=a.FLEET,
        name="sensor/token",
        version=1,
        recipient=me.device,
        box=a.sealing.to_text(box),
        issued_at=a.NOW,
    )
    return a.signed(outside)


def test_a_lost_word_on_this_device_stops_nothing(folder):
    """Its labels are unknown until it comes again; that is no cause to stop."""
    who = agent(folder)
    word = documents.Node(
        fleet=a.FLEET,
        device=who.device.identity.device,
        name="n1",
        version=1,
        issued_at=a.NOW,
        member=who.ledger.members[who.device.identity.device].digest,
        site="home",
        labels={"role": "sensor"},
    )
    made = a.deployment(workloads=(a.workload(require={"role": "sensor"}),))
    messages = [a.signed(word), a.signed(made), assigned(who, WEB)]
    who.receive(envelope.bundle(messages))
    assert [each.slot for each in who.replicas()] == ["web/web.1"]
    for each in folder.glob("*/node+*.json"):
        each.write_bytes(b"")
    again = agent(folder)
    assert [each.slot for each in again.replicas()] == ["web/web.1"]
    again.receive(envelope.bundle(messages))
    assert [each.slot for each in again.replicas()] == ["web/web.1"]


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow, as on a disk without a free block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_does_not_fit_is_asked_for_again(folder):
    """Nothing of it is believed, and there is no hurry while the disk is full."""
    who = agent(folder)
    bundle = envelope.bundle([a.signed(a.deployment()), assigned(who, WEB)])
    with full_disk():
        assert not who.receive(bundle)
        assert (who.replicas(), who.has_missed) == ((), True)
        assert not who.can_catch_up()
    assert who.can_catch_up()
    who.receive(bundle)
    assert [each.slot for each in who.replicas()] == ["web/web.1"]


def test_what_cannot_be_remembered_is_not_acted_on(folder):
    """The documents fit and the share did not: it is decided when there is room."""
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(a.deployment()), assigned(who, WEB)]))
    (folder / "share.json").unlink()
    with full_disk():
        again = agent(folder)
        assert (again.replicas(), again.has_missed) == ((), True)
        assert again.intake.refusals["store: not-stored"] == 1
    assert again.can_catch_up()
    assert [each.slot for each in again.replicas()] == ["web/web.1"]


def test_a_start_on_a_full_disk_runs_what_ran(folder):
    """A power cut does not wait until somebody made room."""
    who = agent(folder)
    who.receive(envelope.bundle([a.signed(a.deployment()), assigned(who, WEB)]))
    with full_disk():
        assert [each.slot for each in agent(folder).replicas()] == ["web/web.1"]


def test_nobody_catches_up_on_nothing(folder):
    """The disk is not written to just to see whether it could be."""
    assert not agent(folder).can_catch_up()


def test_what_comes_while_the_clock_is_wrong_is_asked_for_again(folder):
    """Also when it is right again before anybody looks."""
    who = agent(folder)
    steps = iter((1e9, -1e9))
    who.clock_set_by = lambda: next(steps)
    who.receive(envelope.bundle([]))
    assert who.has_missed
    assert who.can_catch_up()
    who.look_at_clock()
    assert who.can_catch_up()


def test_a_damaged_deployment_ends_nothing(folder):
    """A rotten file is no tombstone: its container is let be until it comes again."""
    who = agent(folder)
    bundle = [a.signed(a.deployment()), assigned(who, a.place("web/web.1"))]
    who.receive(envelope.bundle(bundle))
    (folder / "documents" / "deployment+web.1.json").write_bytes(b"rotten")
    again = agent(folder)
    assert again.untouchable() == {"web/web.1"}
    assert agent(folder).untouchable() == {"web/web.1"}
    again.receive(envelope.bundle(bundle))
    assert [each.slot for each in again.replicas()] == ["web/web.1"]
