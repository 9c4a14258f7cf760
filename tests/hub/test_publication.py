from hypothesis import given
from hypothesis import strategies as st

from hub import publication
from hub.publication import Clear, Publish, Wanted
from hub.shelf import Kept

DIGESTS = st.sampled_from([f"d{n}" for n in range(6)])
TOPICS = st.sampled_from(["a", "b", "c"])


def kept(digest: str) -> Kept:
    """A document of which only the digest matters."""
    return Kept(stream=digest, counter=(1,), digest=digest, envelope=b"{}")


def wanted(topic: str, *digests: str, spare: str = "", rank: int = 0) -> Wanted:
    """A topic that should hold these."""
    return Wanted(
        topic=topic,
        documents=tuple(kept(each) for each in digests),
        spare=frozenset(spare.split()),
        rank=rank,
    )


@st.composite
def wishes(draw: st.DrawFn) -> tuple[Wanted, ...]:
    """One wish for each of some topics."""
    topics = draw(st.lists(TOPICS, unique=True))
    lists = st.lists(DIGESTS, unique=True, max_size=4)
    return tuple(
        wanted(
            each,
            *draw(lists),
            spare=" ".join(draw(lists)),
            rank=draw(st.integers(0, 2)),
        )
        for each in topics
    )


PUBLISHED = st.dictionaries(TOPICS, st.lists(DIGESTS, unique=True).map(tuple))


@given(wishes(), PUBLISHED)
def test_performing_a_plan_leaves_nothing_to_do(
    wishes: tuple[Wanted, ...], published: dict[str, tuple[str, ...]]
) -> None:
    """The loop comes to rest."""
    for action in publication.plan(wishes, published):
        published[action.topic] = action.leaves
    assert publication.plan(wishes, published) == ()


@given(wishes(), PUBLISHED)
def test_afterwards_every_topic_says_all_that_is_wanted(
    wishes: tuple[Wanted, ...], published: dict[str, tuple[str, ...]]
) -> None:
    """What stays beyond it is held by the receiver already."""
    for action in publication.plan(wishes, published):
        published[action.topic] = action.leaves
    for each in wishes:
        holds = published[each.topic]
        assert set(each.digests) <= set(holds)
        assert set(holds) - set(each.digests) <= each.spare
        assert holds[-1:] == each.digests[-1:] or not each.digests


def test_an_unknown_topic_is_set_or_cleared() -> None:
    """After a reconnect the broker may hold anything, or nothing."""
    plan = publication.plan((wanted("a", "d1"), wanted("b")), {})
    assert plan == (Publish(topic="a", documents=(kept("d1"),)), Clear(topic="b"))


def test_a_device_is_not_told_that_it_took_something_in() -> None:
    """Right after a deploy, every message costs a start-up some time."""
    published = {"a": ("deployment", "assignment")}
    after_the_report = wanted("a", "assignment", spare="deployment")
    assert publication.plan((after_the_report,), published) == ()


def test_a_surplus_the_receiver_does_not_hold_is_replaced() -> None:
    """An old deployment must not stay where it could be read again."""
    published = {"a": ("old", "assignment")}
    assert publication.plan((wanted("a", "assignment"),), published) != ()


def test_the_assignment_stays_last() -> None:
    """What it refers to comes before it."""
    published = {"a": ("assignment", "deployment")}
    wish = wanted("a", "deployment", "assignment")
    assert publication.plan((wish,), published) != ()


def test_low_ranks_go_first() -> None:
    """Trust before what it judges."""
    plan = publication.plan((wanted("a", "d1", rank=1), wanted("b", "d2", rank=0)), {})
    assert [each.topic for each in plan] == ["b", "a"]


def test_a_message_without_documents_is_published_and_cleared_alike() -> None:
    """The question of a restored hub."""
    asks = Wanted(topic="a", text=b"{}")
    (action,) = publication.plan((asks,), {"a": ()})
    assert isinstance(action, Publish)
    assert action.payload == b"{}"
    assert publication.plan((asks,), {"a": action.leaves}) == ()
    done = publication.plan((Wanted(topic="a"),), {"a": action.leaves})
    assert done == (Clear(topic="a"),)
