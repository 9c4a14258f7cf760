"""The bell: rung twice is once, and silence wants a look."""

from node.bell import Bell


async def test_ringing_ends_the_wait():
    """A plan on what was seen needs no look."""
    bell = Bell(wants_look=False)
    bell.plan()
    await bell.wait(60.0)
    assert not bell.wants_look


async def test_a_look_is_remembered():
    """The stronger wish wins."""
    bell = Bell(wants_look=False)
    bell.plan()
    bell.look()
    await bell.wait(60.0)
    assert bell.wants_look


async def test_silence_wants_a_look():
    """Now and then everything is looked at."""
    bell = Bell(wants_look=False)
    await bell.wait(0.0)
    assert bell.wants_look


async def test_what_is_rung_during_a_turn_is_for_the_next():
    """Nothing is lost between two turns."""
    bell = Bell(wants_look=False)
    bell.answer()
    bell.look()
    await bell.wait(0.0)
    assert bell.wants_look
