"""Ends of processes are seen at once, and a reused number is not believed."""

import asyncio
import os
import subprocess

from node import processes
from node.processes import Watch

SLEEP = ("sleep", "60")


def own_group(pid: int) -> str:
    """Return a word of the process's control group, where a container's ID would be."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:  # noqa: PTH123
        return file.read().splitlines()[0]


def test_a_process_of_that_container_is_alive():
    """By its number and its control group."""
    child = subprocess.Popen(SLEEP)
    assert processes.is_alive(child.pid, own_group(child.pid))
    child.kill()
    child.wait()


def test_a_number_that_another_process_got_is_not_believed():
    """The kernel gives numbers out again."""
    assert not processes.is_alive(os.getpid(), "f" * 64)


def test_an_ended_process_is_not_alive_even_if_nobody_reaped_it():
    """A zombie still has its number."""
    child = subprocess.Popen(SLEEP)
    group = own_group(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(child.pid, group)
    child.wait()


def test_no_process_is_not_alive():
    """Podman shows 0 for a container that does not run."""
    assert not processes.is_alive(0, "")


async def test_an_end_is_told_once():
    """At once, without polling."""
    ended = asyncio.Event()
    watch = Watch(ended.set)
    child = subprocess.Popen(SLEEP)
    watch.only([child.pid])
    assert not ended.is_set()
    child.kill()
    await asyncio.wait_for(ended.wait(), 5)
    child.wait()
    watch.only([])


async def test_one_that_has_ended_already_counts_as_ending_now():
    """Between the look and the watch it may have gone."""
    child = subprocess.Popen(("true",))
    child.wait()
    ended = asyncio.Event()
    Watch(ended.set).only([child.pid])
    assert ended.is_set()


async def test_one_that_is_no_longer_watched_is_not_told():
    """Nor is its file kept open."""
    ended = asyncio.Event()
    watch = Watch(ended.set)
    child = subprocess.Popen(SLEEP)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    watch.only([child.pid])
    watch.only([])
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    child.kill()
    child.wait()
    await asyncio.sleep(0)
    assert not ended.is_set()
