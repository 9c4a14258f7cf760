"""Which of two copies stays: every party computes the same."""

from hypothesis import given
from hypothesis import strategies as st

from edge.model import Rejoin
from node import rejoin
from node.rejoin import Contender

OLD = Contender(device="d-old", term=1, running_for=900.0)
TAKER = Contender(device="d-new", term=2, running_for=30.0)
POLICIES = st.sampled_from(["keep_original", "keep_taker", "keep_longest"])


def winner(policy: Rejoin, *contenders: Contender) -> str:
    """Return whose copy stays after d-new took over from d-old."""
    return rejoin.winner(policy, contenders, "d-old").device


def test_original_gets_its_slot_back_where_asked_for() -> None:
    """keep_original: also if it has to start anew."""
    fresh = Contender(device="d-old", term=1, running_for=0.0)
    assert winner("keep_original", fresh, TAKER) == "d-old"


def test_taker_keeps_it_by_term() -> None:
    """keep_taker: nothing moves a second time."""
    assert winner("keep_taker", OLD, TAKER) == "d-new"


def test_partition_restarts_nothing_that_never_stopped() -> None:
    """keep_longest: the copy that ran all the time stays."""
    assert winner("keep_longest", OLD, TAKER) == "d-old"


def test_rebooted_device_lets_the_taker_go_on() -> None:
    """keep_longest: what had to start anew gives way."""
    fresh = Contender(device="d-old", term=1, running_for=0.0)
    assert winner("keep_longest", fresh, TAKER) == "d-new"


@given(
    POLICIES,
    st.lists(
        st.builds(
            Contender,
            device=st.sampled_from(["d-old", "d-b", "d-c", "d-d"]),
            term=st.integers(1, 5),
            running_for=st.floats(0, 1000),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda each: each.device,
    ),
    st.randoms(use_true_random=False),
)
def test_answer_does_not_depend_on_the_order(policy, found, rng) -> None:  # type: ignore[no-untyped-def]
    """Both sides of a partition see the same contenders in another order."""
    shuffled = list(found)
    rng.shuffle(shuffled)
    assert winner(policy, *found) == winner(policy, *shuffled)
