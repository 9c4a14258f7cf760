import asyncio

from hub.agenda import Agenda, Changes, Due


async def test_what_is_due_is_taken_once() -> None:
    """Asking twice is asking once."""
    agenda = Agenda()
    agenda.publish("n2", "n1")
    agenda.publish("n1")
    agenda.publish_fleet()
    assert agenda.to_publish.is_set()
    assert agenda.take() == Due(nodes=("n1", "n2"), is_fleet_due=True)
    assert not agenda.to_publish.is_set()
    assert agenda.take() == Due()


async def test_nobody_to_publish_for_wakes_nobody() -> None:
    """An empty decision is no work."""
    agenda = Agenda()
    agenda.publish()
    assert not agenda.to_publish.is_set()


async def test_who_is_published_again_is_not_sure_of_anything() -> None:
    """A last will came after what we cleared."""
    agenda = Agenda()
    agenda.publish_again("n1")
    assert agenda.take() == Due(nodes=("n1",), unsure=frozenset({"n1"}))


async def test_a_change_wakes_everyone_who_looked_before_it() -> None:
    """Also who takes the event just before it is set."""
    changes = Changes()
    first, second = changes.latest(), changes.latest()
    changes.notify()
    async with asyncio.timeout(1):
        await asyncio.gather(first.wait(), second.wait())
    assert not changes.latest().is_set()


async def test_an_intruder_brings_a_look_at_the_door() -> None:
    """Once, however often it speaks."""
    agenda = Agenda()
    agenda.intruded("n1")
    agenda.intruded("n1")
    assert agenda.to_admit.is_set()
    assert agenda.intruders == {"n1"}
