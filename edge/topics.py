"""Every MQTT topic, built and parsed here only.

``edge/v1/<fleet>/`` is the root; the major version of the protocol is in it.
Retained topics hold state, the others carry events (DESIGN: one tree, entities first).
"""

from edge.names import FleetName, NodeName, is_name

MAJOR = "edge/v1"


def root(fleet: FleetName) -> str:
    """Return the part every topic of a fleet starts with, without a final slash."""
    return f"{MAJOR}/{fleet}"


def trust(fleet: FleetName) -> str:
    """Return where the hub keeps the newest trust document."""
    return f"{root(fleet)}/fleet/trust"


def revocation(fleet: FleetName) -> str:
    """Return where the hub keeps the newest revocation."""
    return f"{root(fleet)}/fleet/revocation"


def beacon(fleet: FleetName) -> str:
    """Return where the hub says that what it published is still fresh."""
    return f"{root(fleet)}/fleet/beacon"


def desired(fleet: FleetName, node: NodeName) -> str:
    """Return where a node finds its assignment and the documents it lacks."""
    return f"{root(fleet)}/nodes/{node}/desired"


def plan(fleet: FleetName, node: NodeName) -> str:
    """Return where a node finds its site's plan, and what that rests on."""
    return f"{root(fleet)}/nodes/{node}/plan"


def wanted(fleet: FleetName, node: NodeName) -> str:
    """Return where a node reads which streams the hub lost and asks it for."""
    return f"{root(fleet)}/nodes/{node}/wanted"


def documents(fleet: FleetName, node: NodeName) -> str:
    """Return where a node hands in what the hub asked it for."""
    return f"{root(fleet)}/nodes/{node}/documents"


def mesh(fleet: FleetName, to: NodeName, sender: NodeName) -> str:
    """Return where one node leaves mesh datagrams for another."""
    return f"{root(fleet)}/nodes/{to}/mesh/{sender}"


def secrets(fleet: FleetName, node: NodeName) -> str:
    """Return where a node finds the secrets sealed to it."""
    return f"{root(fleet)}/nodes/{node}/secrets"


def report(fleet: FleetName, node: NodeName) -> str:
    """Return where a node says what it runs and holds."""
    return f"{root(fleet)}/nodes/{node}/report"


def status(fleet: FleetName, node: NodeName) -> str:
    """Return where a node's last will says offline: a hint for dashboards."""
    return f"{root(fleet)}/nodes/{node}/status"


def event(fleet: FleetName, node: NodeName) -> str:
    """Return where a node tells what it decided and refused."""
    return f"{root(fleet)}/nodes/{node}/event"


def telemetry_system(fleet: FleetName, node: NodeName) -> str:
    """Return where a node's own figures go, as flat JSON."""
    return f"{root(fleet)}/nodes/{node}/telemetry/system"


def for_node(fleet: FleetName, node: NodeName) -> tuple[str, ...]:
    """Return what a node subscribes to."""
    return (
        trust(fleet),
        revocation(fleet),
        beacon(fleet),
        desired(fleet, node),
        plan(fleet, node),
        wanted(fleet, node),
        secrets(fleet, node),
        f"{root(fleet)}/nodes/{node}/mesh/+",
    )


def for_hub(fleet: FleetName) -> tuple[str, ...]:
    """Return what the hub subscribes to."""
    nodes = f"{root(fleet)}/nodes/+"
    leaves = ("report", "status", "event", "documents")
    return tuple(f"{nodes}/{leaf}" for leaf in leaves)


def parse_node(fleet: FleetName, topic: str) -> tuple[NodeName, str] | None:
    """Return (node, last part) of a node's topic, None for anything else."""
    prefix = f"{root(fleet)}/nodes/"
    if not topic.startswith(prefix):
        return None
    node, _, leaf = topic[len(prefix) :].partition("/")
    return (NodeName(node), leaf) if is_name(node) and leaf else None
