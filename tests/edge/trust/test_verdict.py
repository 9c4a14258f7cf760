"""Refusals have names to be counted under."""

import typing

from edge.trust import verdict
from edge.trust.verdict import Refused
from tests.support import builders as a
from tests.support.trials import judged


def test_every_reason_is_one_word_to_count():
    """Names go into counters, metrics and API answers as they are."""
    reasons = typing.get_args(verdict.Reason)
    assert len(set(reasons)) == len(reasons)
    assert all(each.replace("-", "").isalpha() and each.islower() for each in reasons)


def test_a_refusal_names_the_kind_where_it_could_be_read():
    """``deployment: not-authorised`` says more than a number."""
    verdict_on = judged(a.deployment(), a.ledger_of([a.signed(a.trusted())]), a.HUB)
    assert isinstance(verdict_on, Refused)
    assert (verdict_on.kind, verdict_on.reason) == ("deployment", "not-authorised")
