"""Whoever is missing is looked for, on every way, and ever more rarely."""

from tests.support.mesh_net import Net


def alone(count: int = 3) -> Net:
    """A site of which only n1 has power."""
    net = Net(count=count)
    net.run(5.0)
    for name in list(net.machines):
        if name != "n1":
            net.kill(name)
    net.run(30.0)
    return net


def sent_by_n1(net: Net, seconds: float) -> float:
    """Bytes that n1 sends each second."""
    before = net.sent["n1"]
    net.run(seconds)
    return (net.sent["n1"] - before) / seconds


def test_missing_ones_are_greeted_less_and_less() -> None:
    """Each a few times at once, then every two seconds."""
    net = alone()
    assert 0 < sent_by_n1(net, 60.0) < 150


def test_many_missing_ones_are_greeted_the_more_rarely() -> None:
    """Ten times as many cost twice as much, not ten times."""
    few, many = sent_by_n1(alone(4), 60.0), sent_by_n1(alone(31), 60.0)
    assert many < 4 * few


def test_a_new_way_is_tried_at_once() -> None:
    """The broker is back: nobody waits for the next turn."""
    net = alone()
    net.run(60.0)
    net.say(
        "n1", lambda machine: machine.set_links(hub=False, broker=True, now=net.now)
    )
    missing = net.machines["n1"].neighbours.values()
    assert [each.greet_at for each in missing] == [net.now, net.now]


def test_it_is_found_when_it_is_back() -> None:
    """Within two pauses, whichever of the two says hello first."""
    net = alone()
    net.run(60.0)
    net.start("n2")
    assert net.run_until(lambda: net.sees("n1", "n2") == "alive", 5.0) < 3.0
