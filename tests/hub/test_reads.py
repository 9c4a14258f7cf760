import asyncio

import pytest

from hub import reads
from hub.agenda import Changes
from hub.reads import Poll


def test_the_same_answer_has_the_same_tag() -> None:
    """And another one has another."""
    assert reads.reading({"a": 1}) == reads.reading({"a": 1})
    assert reads.reading({"a": 1}).tag != reads.reading({"a": 2}).tag


async def test_an_answer_that_is_new_does_not_wait() -> None:
    """Nothing known, or something else known."""
    poll = Poll(changes=Changes())
    async with asyncio.timeout(1):
        found = await poll.answer(lambda: 1, '"other"', 60.0)
    assert found.body == b"1"


async def test_a_change_is_answered_at_once() -> None:
    """`edgectl deploy` sees a replica when the hub does."""
    poll = Poll(changes=Changes())
    values = [1]
    known = reads.reading(1).tag
    async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(poll.answer(lambda: values[0], known, 60.0))
        await asyncio.sleep(0)
        values[0] = 2
        poll.changes.notify()
    assert asked.result().body == b"2"


async def test_a_wake_without_a_change_waits_on() -> None:
    """Another device reported."""
    poll = Poll(changes=Changes())
    known = reads.reading(1).tag
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(poll.answer(lambda: 1, known, 0.05))
        await asyncio.sleep(0)
        poll.changes.notify()
        await asyncio.sleep(0.01)
        assert not asked.done()
    assert asked.result().tag == known


async def test_closing_answers_everyone() -> None:
    """The hub ends within two seconds, whoever waits."""
    poll = Poll(changes=Changes())
    known = reads.reading(1).tag
    async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
        tasks.create_task(poll.answer(lambda: 1, known, 60.0))
        await asyncio.sleep(0)
        poll.close()


async def test_what_looking_raises_is_the_answer() -> None:
    """There is no such deployment."""

    def look() -> object:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        await Poll(changes=Changes()).answer(look, "", 0.0)
