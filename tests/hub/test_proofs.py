import msgspec

from edge.documents import Report
from edge.staging import evidence
from edge.staging.shapes import Wave
from hub import fleet, proofs
from hub.proofs import Brought
from tests.support import builders, staged
from tests.support.builders import Device
from tests.support.staged import N1, N2, N3, Hub, version


def brought(hub: Hub, device: Device) -> Brought:
    """What a device gets beside its assignment."""
    state = hub.state
    standing = fleet.standing_of(state.ledger, state.signals, device.name, hub.now)
    assert standing is not None
    return proofs.brought(state.proofs, standing, state.assignments.get(device.id))


def streams(hub: Hub, device: Device) -> list[str]:
    """The streams of that, with names for device ids."""
    names = {each.id: each.name for each in staged.DEVICES}
    found = [each.stream for each in brought(hub, device).documents]
    kinds = [each.partition("/") for each in found]
    return [f"{kind}/{names.get(about, about)}" for kind, _, about in kinds]


def stranded(hub: Hub) -> list[str]:
    """Who needs the operator's word."""
    return list(hub.state.evidence["web"].stranded)


PROOF = ["voucher/v1", "member/n1", "report/n1"]


def test_a_later_wave_gets_the_proof_and_who_signed_it() -> None:
    """In the order in which they are judged."""
    hub = staged.opened()
    assert streams(hub, N2) == PROOF


def test_the_first_wave_needs_no_proof() -> None:
    """Nobody could give it."""
    assert streams(staged.rolling(), N1) == []
    assert streams(staged.rolling(), N2) == []


def test_who_runs_the_version_needs_no_proof_any_more() -> None:
    """What lies at the broker may stay there."""
    hub = staged.opened()
    before = {each.digest for each in brought(hub, N2).documents}
    hub.run(2, N2)
    assert streams(hub, N2) == []
    assert brought(hub, N2).spare >= before


def test_the_same_report_is_sent_on_while_its_device_goes_on_reporting() -> None:
    """Or each report would be news to everybody else."""
    hub = staged.opened()
    before = brought(hub, N2).documents
    hub.prove(2, N1)
    hub.decide()
    assert brought(hub, N2).documents == before


def test_another_is_chosen_when_a_device_is_not_trusted_any_more() -> None:
    """Its neighbours would not believe it."""
    hub = staged.opened()
    hub.run(2, N2)
    hub.take(builders.revocation(devices=(N1.id,)))
    hub.decide()
    assert streams(hub, N3) == []


def test_a_wave_that_was_promoted_gets_its_proofs_as_they_come() -> None:
    """Who was away changes by them, though the promote is the newest word no more."""
    three = msgspec.structs.replace(
        staged.LIMITS, waves=(Wave(nodes=("n1", "n2", "n9")), Wave(share=10_000))
    )
    hub = Hub()
    hub.take(version(2, fallback=1, rollout=three))
    hub.decide()
    hub.prove(2, N1)
    hub.away(N3)
    hub.take(builders.control(target=2, action="promote", wave=1))
    hub.decide()
    first = hub.state.evidence["web"].waves[1]
    assert [each.node for each in first] == ["n1"]
    hub.prove(2, N1, N2)
    hub.decide()
    both = hub.state.evidence["web"].waves[1]
    assert (both[0], [each.node for each in both]) == (first[0], ["n1", "n2"])
    hub.prove(2, N1, N2)
    hub.decide()
    assert hub.state.evidence["web"].waves[1] == both


def test_a_word_after_a_promote_goes_along_if_it_carries_it_on() -> None:
    """Or whoever was away would be left behind."""
    hub = staged.rolling()
    hub.take(builders.control(target=2, action="promote", wave=1))
    hub.take(builders.control(version=2, target=2, action="resume", wave=1))
    hub.decide()
    assert (streams(hub, N2), stranded(hub)) == (["control/web"], [])
    hub.take(builders.control(version=3, target=2, action="resume"))
    hub.decide()
    assert (streams(hub, N2), stranded(hub)) == ([], ["n2", "n3"])


def test_who_no_proof_is_left_for_needs_the_operators_word() -> None:
    """Proofs of a revoked device count for nothing, also when it is over."""
    hub = staged.opened()
    hub.prove(2, N2)
    hub.away(N3)
    hub.decide()
    assert (hub.phase, stranded(hub)) == ("done", [])
    hub.take(builders.revocation(devices=(N1.id,)))
    hub.decide()
    assert stranded(hub) == ["n3"]
    hub.here(N3)
    hub.take(builders.control(target=2, action="promote", wave=1))
    hub.decide()
    assert stranded(hub) == []
    assert (hub.assigned()["n3"], streams(hub, N3)) == ({"web@n3": 2}, ["control/web"])


def test_who_no_failure_is_left_for_needs_the_operators_abort() -> None:
    """Where it is bad itself its device goes back by itself."""
    hub = staged.failed()
    hub.take(builders.revocation(devices=(N3.id,)))
    hub.decide()
    assert stranded(hub) == ["n1", "n2"]
    hub.take(builders.control(target=2, action="abort"))
    hub.decide()
    assert stranded(hub) == []
    assert streams(hub, N2) == ["control/web"]


def test_a_lost_memory_chooses_anew() -> None:
    """Every newest report of a device that proved it says so."""
    hub = staged.opened()
    hub.state.evidence.clear()
    hub.decide()
    assert streams(hub, N2) == PROOF


def test_who_has_to_go_back_gets_the_report_of_a_failure() -> None:
    """Only where the bad version runs."""
    hub = staged.failed()
    assert streams(hub, N2) == ["voucher/v1", "member/n3", "report/n3"]
    (report,) = brought(hub, N2).documents[-1:]
    document = builders.opened(report.envelope)[0]
    assert isinstance(document, Report)
    assert document.failures[0].version == 2
    hub.run(1, N2)
    assert streams(hub, N2) == []


def test_a_failure_of_what_only_the_newest_version_has_is_proof_as_well() -> None:
    """Where it failed there is nothing to place any more once all go back."""
    hub = Hub()
    more = (staged.EVERYWHERE, builders.workload("extra", every="*"))
    hub.take(version(2, fallback=1, workloads=more))
    hub.decide()
    hub.prove(2, N1)
    hub.decide()
    hub.run(2, N2)
    hub.fail(2, N3, back=2)
    hub.decide()
    assert hub.phase == "going-back"
    assert hub.assigned()["n3"] == {"web@n3": 1}
    assert streams(hub, N2) == ["voucher/v1", "member/n3", "report/n3"]


def test_who_is_to_run_nothing_any_more_is_told_why() -> None:
    """It gives up a slot that the version before lacks on the same evidence only."""
    lab = builders.workload("lab", every="*", require={"role": "lab"})
    hub = Hub(version(1, workloads=(lab,)))
    hub.take(version(2, fallback=1))
    hub.decide()
    hub.prove(2, N1)
    hub.decide()
    hub.run(2, N2)
    hub.fail(2, N3)
    hub.decide()
    assert hub.assigned()["n2"] == {}
    assert streams(hub, N2) == ["voucher/v1", "member/n3", "report/n3"]
    hub.take(builders.control(target=2, action="abort"))
    hub.decide()
    assert "control/web" in streams(hub, N2)


def test_two_rollouts_have_a_report_of_their_own_from_one_device() -> None:
    """Both go along, the older one first: it would be refused after the newer one."""
    hub = Hub()
    hub.take(builders.deployment("api", workloads=(staged.EVERYWHERE,)))
    hub.decide()
    changes = {"workloads": (staged.EVERYWHERE,), "rollout": staged.LIMITS}
    for name, web in (("web", 1), ("api", 2)):
        newest = builders.deployment(name, 2, fallback=1, **changes)
        hub.take(newest)
        hub.decide()
        proved = builders.status(f"{name}/web@n1", 2, deployment=name, proved=True)
        other = builders.status("web/web@n1", web, proved=True)
        hub.report(N1, *{each.slot: each for each in (other, proved)}.values())
        hub.decide()
    sent = [each for each in brought(hub, N2).documents if "report" in each.stream]
    reports = [builders.opened(each.envelope)[0] for each in sent]
    assert [each.counter for each in sent] == sorted(each.counter for each in sent)
    for name, report in zip(("web", "api"), reports, strict=True):
        assert evidence.seen(report, name, 2) is not None


def test_a_device_is_not_told_what_it_said_itself() -> None:
    """It knows."""
    hub = staged.failed()
    hub.report(N3, builders.status("web/web@n3", 2))
    assert streams(hub, N3) == []


def test_words_that_devices_act_on_go_along() -> None:
    """A pause is for the hub."""
    hub = staged.rolling()
    hub.take(builders.control(target=2, action="pause"))
    hub.decide()
    assert streams(hub, N2) == []
    hub.take(builders.control(version=2, target=2, action="promote", wave=1))
    hub.decide()
    assert streams(hub, N2) == ["control/web"]


def test_without_a_rollout_nothing_is_brought() -> None:
    """Nor to who is assigned nothing."""
    assert brought(Hub(), N1) == Brought()
    hub = staged.opened()
    hub.state.assignments.pop(N2.id)
    assert brought(hub, N2) == Brought()
