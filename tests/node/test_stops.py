"""Which changes of version the site is asked about."""

from typing import Any

from node.stops import Change, needs_permit
from tests.support import builders as a

SLOT = "web/web.1"
NEWEST = a.deployment(version=3, rollout=a.rollout(), fallback=2)


def change(new: int, old: int, **fields: Any) -> Change:
    """A slot that changes from one version to another."""
    held = a.place(SLOT, old) if old else None
    known = {"place": a.place(SLOT, new), "held": held, "newest": NEWEST}
    return Change(**{**known, **fields})


def test_what_stops_first_is_asked_for() -> None:
    """On the way forth and on the way back."""
    assert needs_permit(change(3, 2))
    assert needs_permit(change(2, 3))


def test_what_starts_first_is_asked_for_on_the_way_back_only() -> None:
    """Then the newer copy leaves before the older one starts."""
    assert not needs_permit(change(3, 2, starts_first=True))
    assert needs_permit(change(2, 3, starts_first=True))


def test_what_runs_beside_is_gone_back_to_without_a_gap() -> None:
    """Of two sets the old one never stopped."""
    assert not needs_permit(change(2, 3, is_beside=True))
    assert needs_permit(change(3, 2, is_beside=True))


def test_what_serves_nobody_is_not_asked_for() -> None:
    """A bad one, a new one, one that stays; and where no limit was signed."""
    plain = a.deployment(version=3)
    first = a.deployment(version=3, rollout=a.rollout(), fallback=0)
    assert not needs_permit(change(2, 3, is_bad=True))
    assert not needs_permit(change(3, 0))
    assert not needs_permit(change(3, 3))
    for newest in (None, plain, first):
        assert not needs_permit(change(3, 2, newest=newest))
