"""A member of the roster that lies about others gains nothing by it."""

from dataclasses import replace

from edge.sim import draws, laws
from edge.sim.network import CLEAN
from edge.sim.world import World
from netmesh.wire import News, Suspicion
from node import claims
from node.claims import Claim

LIAR = "n5"
LIES_AT, LIES_EVERY, LASTS = 20.0, 0.2, 60.0


def lie(world: World) -> None:
    """Say that all others are suspect, and that everything runs here."""
    daemon = world.nodes[LIAR].daemon
    assert daemon is not None
    mesh = daemon.mesh
    for slot in world.slots:
        body = claims.encode(
            Claim(
                slot=slot,  # type: ignore[arg-type]
                device=mesh.device,
                term=99,
                version=1,
                state="running",
                is_healthy=True,
                running_for=1e6,
            )
        )
        mesh.announce(slot, body)
    machine = mesh.machine
    for each in machine.neighbours.values():
        others = [n for n in machine.neighbours.values() if n is not each]
        news = tuple(Suspicion(n.hint, n.incarnation) for n in others)
        mesh.act([*machine.post.send(each, News(), each.route(mesh.now), 0, news)])
    world.kernel.after(LIES_EVERY, lambda: lie(world))


def test_liar_causes_no_takeover_and_wins_no_lease() -> None:
    """It is heard by all, and so is everybody it speaks of."""
    scenario = replace(draws.quiet(3), lasts=LASTS, weather=CLEAN, busy=())
    world = World(scenario)
    world.kernel.at(LIES_AT, lambda: lie(world))
    world.run(LIES_AT)
    before = {run.slot: run.node for run in world.record if run.is_running}
    world.run()
    after = {run.slot: run.node for run in world.record if run.is_running}
    assert after == before
    assert laws.once(world.record, world.slots, is_down=frozenset()) == []
    kinds = {line.kind for line in world.trace.lines if line.at > LIES_AT}
    assert not kinds & {"dead", "takeover", "yielded", "moved"}
