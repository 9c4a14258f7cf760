"""Old versions count because the newest one leads to them, whatever a hub shows."""

import msgspec
import pytest

from edge.ctl import lineage
from edge.documents import Trust
from edge.errors import TrustError
from tests.support import builders as a

FIRST = a.deployment("web", 1)
SECOND = a.deployment("web", 2, parent=a.digest(FIRST))
END = a.tombstone("web", 3, parent=a.digest(SECOND))
AGAIN = a.deployment("web", 4, parent=a.digest(END))


def ledger(newest=SECOND, *, trusted: Trust | None = None):
    """Return what a machine believes that saw only the newest version."""
    base = (a.signed(trusted or a.trusted()), a.signed(newest))
    return a.ledger_of(base)


def test_a_parent_is_believed():
    """Its digest is in what was judged."""
    found = lineage.ancestor(a.signed(FIRST), SECOND, ledger())
    assert found == FIRST


def test_an_end_is_a_link_like_any_other():
    """A name may begin again."""
    held = ledger(AGAIN)
    assert lineage.ancestor(a.signed(END), AGAIN, held) == END
    assert lineage.ancestor(a.signed(SECOND), END, held) == SECOND


def test_looking_back_changes_nothing():
    """The newest version stays the newest."""
    held = ledger()
    lineage.ancestor(a.signed(FIRST), SECOND, held)
    assert held.heads["deployment/web"].counter == (2,)


def test_a_signer_who_left_is_believed_by_the_line():
    """What was signed by right stays so; the line says that it is the same."""
    gone = a.signing_key("bea")
    held = ledger()
    held.operators[gone.public] = a.operator("bea")
    assert lineage.ancestor(a.signed(FIRST, gone), SECOND, held) == FIRST


def test_another_version_in_its_place_is_refused():
    """Signed by an operator of that time, and still not what was built upon."""
    forged = a.deployment("web", 1, workloads=(a.workload("evil"),))
    with pytest.raises(TrustError, match="what the hub shows is not its parent"):
        lineage.ancestor(a.signed(forged), SECOND, ledger())


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (a.signed(FIRST, a.STRANGER), "no operator of this fleet signed"),
        (b"{}", "cannot trust an old version of web"),
        (a.signed(SECOND), "the hub shows version 2 in its place"),
        (a.signed(a.deployment("api", 1)), "the hub shows something else"),
        (a.signed(a.voucher()), "the hub shows something else"),
        (a.signed(msgspec.structs.replace(FIRST, fleet="other")), "it is for fleet"),
    ],
)
def test_whatever_else_a_hub_shows_is_refused(shown, problem):
    """Never trust the hub."""
    with pytest.raises(TrustError, match=problem):
        lineage.ancestor(shown, SECOND, ledger())


def test_a_version_off_the_line_needs_signers_of_today():
    """The hub lost one in between."""
    third = a.deployment("web", 3, parent="sha256:" + "7" * 64)
    held = ledger(third)
    with pytest.raises(TrustError, match="not its parent"):
        lineage.ancestor(a.signed(FIRST), third, held)
    assert lineage.ancestor(a.signed(FIRST), third, held, a.NOW) == FIRST
    gone = a.signing_key("bea")
    held.operators[gone.public] = a.operator("bea")
    with pytest.raises(TrustError, match="no operator of this fleet signed"):
        lineage.ancestor(a.signed(FIRST, gone), third, held, a.NOW)


def test_a_scope_does_not_reach_another_s_past():
    """The owner of the name is remembered, whatever versions are forgotten."""
    scope = a.documents.Scope(name="lab", sites=("home",))
    bea = a.operator("bea", scope=scope)
    held = ledger(trusted=a.trusted(operators=(a.operator(), bea)))
    workload = a.workload("web", sites=("home",))
    old = a.deployment("web", 1, workloads=(workload,), scope="lab")
    with pytest.raises(TrustError, match="belongs to another scope"):
        lineage.ancestor(a.signed(old, a.signing_key("bea")), SECOND, held, a.NOW)


def test_the_whole_line_is_walked():
    """From the newest to the one that is asked for."""
    held = ledger(AGAIN)
    shown = (a.signed(each) for each in (END, SECOND, FIRST))
    assert lineage.find(AGAIN, shown, held, a.NOW) == FIRST
    assert lineage.find(AGAIN, (), held, a.NOW) == AGAIN


def test_a_gap_in_the_line_leaves_it_to_signers_of_today():
    """What lies between does not matter then."""
    held = ledger(AGAIN)
    shown = [a.signed(each) for each in (SECOND, FIRST)]
    assert lineage.find(AGAIN, shown, held, a.NOW) == FIRST
    with pytest.raises(TrustError, match="no operator of this fleet signed"):
        lineage.find(AGAIN, [shown[0], a.signed(FIRST, a.STRANGER)], held, a.NOW)
