"""docs/failover.md says nothing that no test holds: claims, figures and limits."""

import importlib
import re
from pathlib import Path

import msgspec
import pytest

from edge.model import Workload
from node.lease import Denied, Granted, Holder, Request, Voter

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/failover.md").read_text()
CLAIM = re.compile(r"`\[(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)\]`")
FIGURE = re.compile(
    r"\| (?P<value>\d+\.\d) \| `(?P<module>[\w.]+)\.(?P<name>[A-Z_]+)` \|"
)
SLOT = "till/till.1"


@pytest.mark.parametrize(("file", "test"), sorted(set(CLAIM.findall(PAGE))))
def test_each_claim_names_a_test_that_exists(file, test):
    """A test that is renamed or removed takes its claim along."""
    text = (ROOT / file).read_text()
    assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), f"{file}: {test}"


@pytest.mark.parametrize(("value", "module", "name"), FIGURE.findall(PAGE))
def test_each_figure_is_the_rule_s_own(value, module, name):
    """Written once in the code; the page repeats it."""
    assert float(value) == getattr(importlib.import_module(module), name)


def test_the_page_has_claims_and_figures():
    """If the patterns found nothing, the tests above would hold nothing."""
    assert len(CLAIM.findall(PAGE)) > 50
    assert len(FIGURE.findall(PAGE)) == PAGE.count("` |\n") - _modes()


def test_the_lease_of_the_page_is_the_manifest_s():
    """The one figure in a sentence."""
    fields = {each.name: each.default for each in msgspec.structs.fields(Workload)}
    assert f'`lease = "{fields["lease"]:g}s"` unless' in PAGE


def test_a_machine_that_stood_still_believes_in_its_lease():
    """A limit, shown: time that its clock did not count is time that it never knew of.

    The voters' clocks go on meanwhile, and promise the slot to another device.
    """
    voters = frozenset({"d-1", "d-2", "d-3"})
    asked = [Voter(me=each) for each in sorted(voters)]
    for each in asked:
        each.take_up(1, voters, 0.0)
    paused, other = (
        Holder(me=name, slot=SLOT, term=term, lease=8.0)
        for name, term in (("d-1", 1), ("d-2", 2))
    )
    _collect(paused, asked, voters, 0.0)
    stood_still_at = 1.0
    _collect(other, asked, voters, 20.0)
    assert other.held(20.0) is not None
    assert paused.held(stood_still_at) is not None
    assert paused.held(20.0) is None


def _collect(holder, asked, voters, now):
    """Ask everybody at one moment, without any network between."""
    request = holder.ask(1, now)
    assert isinstance(request, Request)
    for voter in asked:
        answer = voter.receive(request, holder.me, now)
        assert isinstance(answer, Granted | Denied)
        holder.receive(answer, voter.me, voters, now)


def _modes():
    """Rows that end in code and are no figures."""
    return len(re.findall(r"[^A-Z_]` \|\n", PAGE))
