"""The attacks everybody would think of first, one by one, with their names.

Each has no effect on a device that runs what it should, and is counted; then the same
against edgectl, where the enemy would rather attack the operator.
"""

import msgspec
import pytest

from edge import documents, envelope, sealing
from edge.ctl import memory
from edge.documents import Deployment, Secret, SecretValue, Tombstone
from edge.errors import TrustError
from edge.trust import Accepted, Refused, open_secret
from node.agent import Agent
from tests.adversary import victim, world
from tests.adversary.world import LEAKED, NOW, REMOVED, STOLEN, VICTIM, VICTIM_ID
from tests.support import builders as a

TOKEN = "web/token"
RUNNING = {"web/web.1": 2, "sensor/reader@n1": 1, "db/db.1": 1}


@pytest.fixture
def fleet():
    """Return the fleet, all of which reached the victim."""
    return world.founded()


@pytest.fixture
def agent(fleet, tmp_path) -> Agent:
    """Return a device that runs three replicas."""
    return victim.enrolled(fleet, tmp_path / "state")


@pytest.fixture
def edgectl(fleet, tmp_path) -> memory.Memory:
    """Return the memory of an operator's machine that saw everything."""
    seen = memory.load(tmp_path, a.FLEET, a.empty_ledger().anchor)
    for document, data in fleet.said.values():
        joined = getattr(document, "name", "") == "n3"
        memory.demand(seen.take(data, NOW - 8.5 * a.DAY if joined else NOW), "it")
    return seen


def running(agent: Agent) -> dict[str, int]:
    """Return slot → revision of what the device runs."""
    return {each.slot: each.version for each in agent.replicas()}


def sent(agent: Agent, *sealed: bytes) -> dict[str, int]:
    """Deliver documents and return the refusals; nothing else may have happened."""
    before = dict(agent.ledger.heads)
    agent.receive(envelope.bundle(sealed))
    assert agent.ledger.heads == before
    assert running(agent) == RUNNING
    return dict(agent.intake.refusals)


def token(agent: Agent) -> bytes:
    """Return the secret as the device would hand it to its container."""
    web = next(each for each in agent.replicas() if each.slot == "web/web.1")
    return agent.open_secrets(web)["token"]


def test_a_replay_of_what_is_known_changes_nothing(agent, fleet):
    """Every document again, as a broker that kept them all would send them.

    What it had not seen yet are its neighbours, and those change nothing it runs.
    """
    everything = [data for _, data in fleet.said.values()]
    before = set(agent.ledger.heads)
    agent.receive(envelope.bundle(everything))
    new = {each.partition("/")[0] for each in set(agent.ledger.heads) - before}
    assert new == {"voucher", "member"}
    refusals = sent(agent, *everything)
    assert set(refusals) == {
        "deployment: rolled-back",
        "deployment: not-authorised",  # by the operator who was removed since
        "secret: rolled-back",
        "secret: wrong-recipient",
        "voters: rolled-back",
        "member: revoked",
        "node: unknown-device",  # of the revoked one
    }


def test_a_rollback_to_the_deployment_before_is_refused(agent, fleet):
    """An operator signed it, long ago; here it was even ended."""
    ended = fleet.envelopes("deployment/old")[0]
    assert sent(agent, ended) == {"deployment: rolled-back": 1}
    removed = fleet.envelopes("deployment/web")[0]
    assert sent(agent, removed)["deployment: not-authorised"] == 1


def test_a_rollback_of_trust_is_refused(agent, fleet):
    """It would let the removed operator sign again."""
    evil = a.signed(a.deployment("evil"), REMOVED)
    refusals = sent(agent, fleet.envelopes("trust")[0], evil)
    assert refusals == {"trust: rolled-back": 1, "deployment: not-authorised": 1}


def test_a_rollback_of_a_secret_is_refused(agent, fleet):
    """A password that was changed because it leaked."""
    old = fleet.envelopes(f"secret/{TOKEN}/{VICTIM_ID}")[0]
    assert sent(agent, old) == {"secret: rolled-back": 1}
    assert token(agent) == b"web/token 2"


def test_a_secret_for_another_device_is_refused(agent, fleet):
    """It could not be opened either."""
    other = fleet.envelopes(f"secret/{TOKEN}/{STOLEN.id}")[0]
    assert sent(agent, other) == {"secret: wrong-recipient": 1}


def test_an_assignment_for_another_device_is_refused(agent):
    """Under its own name, and under ours."""
    other = a.assignment(STOLEN, 9, generation=world.GENERATION)
    ours = msgspec.structs.replace(other, node="n1")
    refusals = sent(agent, a.signed(other), a.signed(ours))
    assert refusals == {"assignment: wrong-recipient": 2}


@pytest.mark.parametrize("kind", [Tombstone, SecretValue, documents.Assignment])
def test_a_signature_for_one_kind_counts_for_no_other(agent, fleet, kind):
    """The type is signed with the payload."""
    whole = envelope.decode(fleet.envelopes("deployment/web")[-1])
    retyped = msgspec.structs.replace(whole, payload_type=documents.payload_type(kind))
    assert sent(agent, envelope.encode(retyped)) == {"message: unsigned": 1}


def test_a_word_signed_for_the_hub_is_no_order_for_a_device(agent):
    """The answer to a challenge, with the operator's key on it."""
    session = documents.Session(fleet=a.FLEET, nonce="n", hub=a.HUB.public)
    assert sent(agent, a.signed(session)) == {"session: wrong-kind": 1}


def test_the_same_version_with_other_content_is_a_conflict(agent):
    """Whoever was second; the next number ends it."""
    twin = a.deployment("web", 2)
    assert sent(agent, a.signed(twin)) == {"deployment: conflict": 1}


@pytest.mark.parametrize("number", [1_000_003, 2**53 - 1])
def test_a_counter_jump_is_refused(agent, number):
    """Even an operator's: it would leave no numbers."""
    assert sent(agent, a.signed(world.web(number))) == {"deployment: counter-jump": 1}


def test_the_hubs_counters_jump_only_so_far(agent):
    """And root's next generation takes them back."""
    far = victim.honest_assignment(2**53 - 1)
    assert sent(agent, far) == {"assignment: counter-jump": 1}


@pytest.mark.parametrize("key", [a.HUB, REMOVED, STOLEN.sign, world.EXPIRED])
def test_a_secret_wrapped_anew_is_refused(agent, fleet, key):
    """What the thief could open, sealed to the victim."""
    stolen = a.opened(fleet.envelopes(f"secret/{TOKEN}/{STOLEN.id}")[0])[0]
    assert isinstance(stolen, Secret)
    inside = STOLEN.seal.open(sealing.from_text(stolen.box))
    again = sealing.to_text(sealing.seal(VICTIM.seal.public, inside))
    secret = a.secret(TOKEN, VICTIM, version=3)
    wrapped = msgspec.structs.replace(secret, box=again)
    refusals = sent(agent, a.signed(wrapped, key))
    assert list(refusals) in (["secret: not-authorised"], ["secret: expired"])
    assert token(agent) == b"web/token 2"


def test_a_secret_wrapped_anew_does_not_open_even_with_an_operators_name_on_it(agent):
    """The inside names another recipient: an operator was tricked outside."""
    inside = SecretValue(
        fleet=a.FLEET, name=TOKEN, version=3, recipient=STOLEN.id, value="AAAA"
    )
    box = sealing.seal(VICTIM.seal.public, documents.sign(inside, a.OPERATOR))
    secret = msgspec.structs.replace(
        a.secret(TOKEN, VICTIM, version=3), box=sealing.to_text(box)
    )
    with pytest.raises(TrustError) as caught:
        open_secret(secret, VICTIM.seal, agent.ledger)
    assert caught.value.reason == "re-wrapped"


def test_a_valid_token_takes_no_name(agent, edgectl):
    """Not on the device that carries it, not on the operator's machine."""
    rogue = a.Device("rogue")
    hijack = a.signed(a.member(rogue, name="n1"), a.JOIN, rogue.sign)
    assert sent(agent, hijack) == {"member: name-taken": 1}
    verdict = edgectl.take(hijack, NOW)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "name-taken"


def test_the_hub_plants_no_device(agent, edgectl):
    """It has no seed; with the leaked one it gets a member nobody gives a secret."""
    rogue = a.Device("rogue")
    for keys, reason in (
        ((a.HUB, rogue.sign), "not-authorised"),
        ((LEAKED, a.HUB), "not-authorised"),
    ):
        verdict = edgectl.take(a.signed(a.member(rogue, voucher="leaked"), *keys), NOW)
        assert isinstance(verdict, Refused)
        assert verdict.reason == reason
    minted = a.signed(a.member(rogue, voucher="leaked"), LEAKED, rogue.sign)
    assert isinstance(edgectl.take(minted, NOW), Accepted)
    withheld = a.trust.withheld(edgectl.ledger, TOKEN, rogue.id)
    assert withheld is not None
    assert sent(agent, minted) == {"member: unknown-voucher": 1}


def test_the_hub_approves_no_device(agent):
    """Nor labels it, nor drains it."""
    word = world.node(VICTIM, 2, scheduling="drained")
    assert sent(agent, a.signed(word, a.HUB)) == {"node: not-authorised": 1}


def test_an_emptied_assignment_takes_nothing_away(agent):
    """The hub cannot stop a replica by forgetting it."""
    empty = victim.honest_assignment(2, replicas=())
    agent.receive(envelope.bundle([empty]))
    assert running(agent) == RUNNING
    assert agent.intake.refusals == {"assignment: takes-away": 3}


@pytest.mark.parametrize(
    "place",
    [
        a.place("web/web.3", 2),
        a.place("web/web.1", 1),
        a.place("web/web.1", 3),
        a.place("sensor/reader@n2", 1),
        a.place("old/old.1", 1),
        a.place("evil/evil.1", 1),
        a.place("db/db.1", 1, workload="other"),
        a.place("web/web.2", 2, deployment="db"),
    ],
)
def test_the_hub_places_nothing_the_operator_did_not_sign(agent, place):
    """A third of two, an older or newer revision, another's, ended, invented."""
    kept = tuple(a.place(slot, version) for slot, version in RUNNING.items())
    others = tuple(each for each in kept if each.slot != place.slot)
    order = victim.honest_assignment(2, replicas=(*others, place))
    agent.receive(envelope.bundle([order]))
    assert running(agent) == RUNNING
    assert agent.intake.refusals["assignment: out-of-limits"] == 1


def test_a_hub_dated_2100_ages_nothing(agent):
    """Its clock is shown, never believed: operators can still sign."""
    beacon = a.signed(a.beacon(at=4.1e9, generation=world.GENERATION))
    agent.receive(envelope.bundle([beacon]))
    assert agent.ledger.floor == NOW
    agent.receive(envelope.bundle([a.signed(world.web(3))]))
    assert agent.ledger.deployments["web"].version == 3


def test_an_operator_dated_2100_ages_nothing(agent, edgectl):
    """A laptop with a dead battery: its own key was expired by then."""
    late = a.signed(a.deployment("db", 2, issued_at=4.1e9))
    assert sent(agent, late) == {"deployment: expired": 1}
    soon = a.signed(a.deployment("db", 2, issued_at=NOW + 30 * a.DAY))
    verdict = edgectl.take(soon, NOW)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "future-dated"


def test_a_hub_of_another_generation_is_not_heard(agent):
    """One restored from a backup, and one that promotes itself."""
    words = [victim.honest_assignment(9, generation=each) for each in (1, 3)]
    assert sent(agent, *words) == {"assignment: wrong-generation": 2}


def test_the_hub_before_is_not_heard(agent):
    """Root exchanged its key."""
    place = a.place("web/web.2", 2)
    order = a.assignment(VICTIM, 9, generation=world.GENERATION, replicas=(place,))
    refusals = sent(agent, a.signed(order, world.OLD_HUB))
    assert refusals == {"assignment: not-authorised": 1}


def test_an_older_plan_is_refused(agent):
    """It would give slots back to devices that lost them."""
    newest = victim.honest_plan(5)
    agent.receive(envelope.bundle([newest]))
    held = agent.ledger.plan
    older = [victim.honest_plan(4, slots=()), victim.honest_plan(5, members=())]
    refusals = sent(agent, *older, newest)
    assert refusals == {"plan: rolled-back": 1, "plan: conflict": 1}
    assert agent.ledger.plan is held


@pytest.mark.parametrize(
    ("document", "key", "reason"),
    [
        (a.plan(VICTIM, seq=9, generation=2), world.OLD_HUB, "not-authorised"),
        (a.plan(VICTIM, seq=9, generation=2), a.OPERATOR, "not-authorised"),
        (a.plan(VICTIM, seq=9, generation=2), STOLEN.sign, "not-authorised"),
        (a.plan(VICTIM, seq=9, generation=1), a.HUB, "wrong-generation"),
        (a.plan(VICTIM, seq=9, generation=3), a.HUB, "wrong-generation"),
        (a.plan(VICTIM, seq=9, generation=2, site="x"), a.HUB, "wrong-recipient"),
        (a.plan(VICTIM, VICTIM, seq=9, generation=2), a.HUB, "malformed"),
        (a.plan(VICTIM, seq=2**53 - 1, generation=2), a.HUB, "counter-jump"),
    ],
)
def test_a_plan_is_the_hubs_word_to_the_own_site(agent, document, key, reason):
    """Of the hub root names, in root's generation."""
    assert sent(agent, a.signed(document, key)) == {f"plan: {reason}": 1}
    assert agent.ledger.plan is None


@pytest.mark.parametrize("key", [a.HUB, REMOVED, STOLEN.sign, VICTIM.sign, LEAKED])
def test_nobody_else_makes_a_voter(agent, key):
    """Whoever chooses the voters gives himself every lease."""
    word = a.voters(STOLEN, VICTIM, world.THIRD, version=4)
    refusals = sent(agent, a.signed(word, key))
    assert refusals == {"voters: not-authorised": 1}


def test_voters_of_long_ago_vote_no_more(agent, fleet):
    """Two majorities that do not meet would make two holders."""
    held = agent.ledger.voters["home"]
    assert sent(agent, *fleet.envelopes("voters/")) == {"voters: rolled-back": 2}
    assert agent.ledger.voters["home"] is held


def test_voters_change_one_by_one_even_for_an_operator(agent):
    """All at once, the old majority might still be at work."""
    word = a.voters(STOLEN, world.FAR, version=4)
    assert sent(agent, a.signed(word)) == {"voters: out-of-limits": 1}


def test_voters_of_another_site_are_refused(agent):
    """An operator signed them, for elsewhere."""
    word = a.voters(world.FAR, site="store-7")
    assert sent(agent, a.signed(word)) == {"voters: wrong-recipient": 1}


def test_another_fleets_documents_are_refused(agent):
    """The operator has two fleets, and one key."""
    refusals = sent(agent, *world.foreign())
    assert {name.partition(": ")[2] for name in refusals} == {"wrong-fleet"}


@pytest.mark.parametrize("scope", ["", "seven"])
def test_a_scopes_operator_touches_nothing_outside(agent, scope):
    """Not the fleet's deployment, not its end, not its secret, not the device."""
    secret = msgspec.structs.replace(a.secret(TOKEN, VICTIM, version=3), scope=scope)
    far = (a.workload("web", sites=("store-7",)),)
    words = (
        a.deployment("web", 3, workloads=far, scope=scope),
        a.tombstone("web", 3, scope=scope),
        world.node(VICTIM, 2, site="store-7", scope=scope),
        secret,
        a.revocation(2, devices=(STOLEN.id, VICTIM_ID)),
    )
    refusals = sent(agent, *(a.signed(each, world.SEVEN) for each in words))
    assert {name.partition(": ")[2] for name in refusals} == {"out-of-scope"}
    assert sum(refusals.values()) == len(words)


def test_a_deployment_of_megabytes_is_refused(agent):
    """Before anything in it is read."""
    huge = a.signed(a.deployment("web", 3))[:-1] + b" " * envelope.ENVELOPE_MAX + b"}"
    assert sent(agent, huge) == {"message: malformed": 1}


@pytest.mark.parametrize(
    "value",
    [b"NaN", b"1e400", b"-0.0", b"3.0", b"[" * 9_000 + b"]" * 9_000, b"3,'version':3"],
)
def test_odd_numbers_are_refused_even_from_an_operator(agent, value):
    """A signature makes bytes genuine, not regular."""
    body = documents.encode(world.web(3)).replace(
        b'"version":3', b'"version":' + value.replace(b"'", b'"'), 1
    )
    kind = documents.payload_type(Deployment)
    data = envelope.sign(kind, body, [a.OPERATOR])
    assert sent(agent, data) == {"message: malformed": 1}


def test_a_restored_hub_cannot_hide_a_revocation_from_the_operator(edgectl, tmp_path):
    """The next command knows its number, and hands nothing out without it."""
    edgectl.save()
    again = memory.load(tmp_path, a.FLEET, a.empty_ledger().anchor)
    for data in world.founded().envelopes("voucher/", "member/", "node/"):
        again.take(data, NOW)
    doubt = a.trust.doubt(again.ledger, STOLEN.id)
    assert doubt is not None
    assert doubt.reason == "rolled-back"
