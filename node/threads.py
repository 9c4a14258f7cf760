"""Runs a blocking call in a thread of its own.

Not in a pool: a pool is full when a handful of pulls wait for a slow registry, and then
no crash is repaired; it keeps its threads' memory when idle; and it holds up the end of
the process until its last call returns. A thread costs 0.1 ms, and these are daemons.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``function`` returns, or raise what it raises.

    Cancelled, this stops waiting; the call itself goes on to its own end.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            result = function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            tell(future.set_exception, error)
        else:
            tell(future.set_result, result)

    def tell(deliver: Callable[..., None], outcome: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_deliver, future, deliver, outcome)

    Thread(target=work, name=function.__name__, daemon=True).start()
    return await future


def _deliver(
    future: asyncio.Future[T], deliver: Callable[..., None], outcome: object
) -> None:
    if not future.done():
        deliver(outcome)
