"""What the enemy would like an operator, or root, to have said."""

from collections.abc import Callable

from edge.documents import Document, KeySet
from tests.adversary import world
from tests.adversary.world import VICTIM
from tests.support import builders as a

FAR_AWAY = (a.workload("far", sites=("store-7",)),)
WISHES: tuple[Callable[[int], Document], ...] = (
    world.web,
    lambda _: a.deployment("evil"),
    lambda number: a.tombstone("web", number),
    lambda number: a.revocation(number, devices=(world.VICTIM_ID,)),
    lambda _: a.voucher("mine", key=world.LEAKED.public),
    lambda number: a.trusted(
        number,
        root=KeySet(keys=(a.STRANGER.public,)),
        generation=world.GENERATION,
        operators=(a.operator(key=world.REMOVED.public),),
    ),
    lambda number: a.trusted(
        number,
        hubs=(a.hub_site(key=a.STRANGER.public),),
        generation=world.GENERATION + 1,
    ),
    lambda number: a.voters(world.STOLEN, world.THIRD, version=number),
    # With a scope of his own: to reach beyond it, to burn a name, to push the floor.
    lambda _: a.deployment("evil", scope="seven"),
    lambda _: world.own_voucher(),
    lambda number: world.node(VICTIM, number, site="store-7", scope="seven"),
    lambda number: a.deployment("web", number, workloads=FAR_AWAY, scope="seven"),
    lambda number: a.tombstone("web", number, scope="seven"),
    lambda number: a.deployment("far", number, workloads=FAR_AWAY, scope="seven"),
    lambda number: a.voters(world.THIRD, version=number, scope="seven"),
    lambda number: a.voters(world.FAR, version=number, site="store-7", scope="seven"),
    lambda number: a.deployment(
        "new", 2**53 - number, workloads=FAR_AWAY, scope="seven"
    ),
    lambda number: a.deployment(
        "far", number, workloads=FAR_AWAY, scope="seven", issued_at=4.1e9
    ),
)
"""Each takes a number between 1 and 9."""
