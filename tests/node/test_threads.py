"""Blocking calls beside the loop."""

import asyncio
import threading

import pytest

from node import threads


async def test_the_result_comes_back():
    """With positional and named arguments."""
    assert await threads.call(int, "ff", base=16) == 255


async def test_what_is_raised_comes_back():
    """As if it had been called here."""
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.call(int, "x")


async def test_a_slow_call_delays_no_other():
    """However many of them hang."""
    gate = threading.Event()
    slow = [asyncio.ensure_future(threads.call(gate.wait)) for _ in range(20)]
    assert await threads.call(int, "1") == 1
    gate.set()
    assert await asyncio.gather(*slow) == [True] * 20


async def test_a_cancelled_call_is_left_to_its_end():
    """Its late result disturbs nobody."""
    gate = threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(threads.call(gate.wait), 0.01)
    gate.set()
    await asyncio.sleep(0.01)


def test_a_result_after_the_end_of_the_loop_is_dropped():
    """The process may be leaving."""
    gate, ended = threading.Event(), threading.Event()

    def work() -> None:
        gate.wait()
        ended.set()

    async def begin() -> None:
        task = asyncio.ensure_future(threads.call(work))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(begin())
    gate.set()
    assert ended.wait(5)
