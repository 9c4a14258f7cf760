"""One ``[workload.NAME]`` table to a `Draft`, contradictions refused.

What can not both be meant is an error, never a silent choice: ``every`` with
``replicas`` or a failover, a lease for what is not ``strict``, published ports without
a network of its own, two probes, secrets in a folder the container needs for itself.
"""

import re

import msgspec

from edge.manifest import kernel, mounts, parts, references, scalars, sections
from edge.manifest.drafts import UNRESOLVED, Draft
from edge.manifest.fields import Place, Table, converted
from edge.model import (
    Failover,
    Network,
    Port,
    Rejoin,
    Workload,
)
from edge.names import FACT_PREFIX
from edge.placement import ports

REPLICAS_MAX = 10_000
TAKERS_MAX = 100
STOP_AFTER = (0.0, 3600.0)
LEASE = (3.0, 3600.0)
"""Less than 3 s is lost at one late packet: the guard ends it a margin earlier."""
FAILOVERS: tuple[Failover, ...] = ("available", "strict", "none")
REJOINS: tuple[Rejoin, ...] = ("keep_original", "keep_taker", "keep_longest")
NETWORKS: tuple[Network, ...] = ("bridge", "host", "none")
RESERVED_VARIABLES = frozenset({"EDGE_FENCE"})  # the term, given by the node
# "" is a field; a sentence answers a word people know from other tools.
KEYS = {
    **{field.name: "" for field in msgspec.structs.fields(Workload)},
    "name": "the workload's name is in its header, [workload.NAME]",
    "build": "build and push the image first, then name it in `image`",
    "cap_add": "write security = { capabilities = [ … ] }",
    "count": "write `replicas`",
    "depends_on": "workloads start in any order; let the program retry",
    "environment": "write `env`",
    "healthcheck": "write `health`",
    "memory": 'write resources = { memory = "…" }',
    "cpus": "write resources = { cpus = … }",
    "network_mode": "write `network`",
    "privileged": "name what it needs in `security` and `devices`",
    "restart": "a replica that ends is always started again; leave it out",
    "working_dir": "write `working_folder`",
}


DEFAULT = Workload(name="default", image=UNRESOLVED)


def draft(name: str, table: Table) -> Draft:
    """Return workload ``name`` as written in ``table``; raise `ManifestError`."""
    table.allow(KEYS)
    if "image" not in table:
        raise table.place.error('cannot run it without an image: write image = "…"')
    table.read("image", references.reference, None)
    template = Workload(
        name=name,
        image=UNRESOLVED,
        replicas=_replicas(table),
        every=table.read("every", parts.every, ""),
        failover=_failover(table),
        rejoin=_rejoin(table),
        lease=_lease(table),
        require=_labels(table, "require"),
        prefer=_labels(table, "prefer"),
        sites=table.items("sites", parts.name),
        command=sections.command(table, "command"),
        entrypoint=sections.command(table, "entrypoint"),
        env=_environment(table),
        user=table.read("user", parts.user, ""),
        working_folder=table.read("working_folder", parts.path, ""),
        network=table.read("network", scalars.choice(NETWORKS), "bridge"),
        ports=_ports(table),
        volumes=mounts.volumes(table),
        devices=table.items("devices", parts.device),
        secrets=mounts.secrets(table),
        resources=sections.resources(table),
        security=sections.security(table),
        health=sections.health(table),
        init=table.read("init", scalars.flag, default=True),
        stop_signal=table.read("stop_signal", kernel.stop_signal, ""),
        stop_after=table.read("stop_after", scalars.duration(*STOP_AFTER), 10.0),
        takers=table.read("takers", scalars.whole(0, TAKERS_MAX), 2),
    )
    _refuse_fact_secrets(table, template)
    return Draft(
        image=str(table.content["image"]),
        template=_regular(table, template),
        line=table.place.at("image").line,
        ports_line=table.place.at("ports").line,
    )


def _replicas(table: Table) -> int:
    if "every" not in table:
        return table.read("replicas", scalars.whole(0, REPLICAS_MAX), 1)
    if "replicas" in table:
        problem = "cannot have both `every` and `replicas`: one on each device that"
        raise table.error("every", f"{problem} carries the label, or so many in all")
    return 0


def _failover(table: Table) -> Failover:
    if "every" not in table:
        return table.read("failover", scalars.choice(FAILOVERS), "available")
    if table.read("failover", scalars.choice(FAILOVERS), "none") != "none":
        problem = "cannot move a workload that runs on `every` device with the label"
        raise table.error("failover", f'{problem}: write failover = "none"')
    return "none"


def _rejoin(table: Table) -> Rejoin:
    if "rejoin" in table and _failover(table) == "none":
        problem = "cannot choose which copy stays of a workload that never moves"
        advice = 'leave it out, or write failover = "available" or "strict"'
        raise table.error("rejoin", f"{problem}: {advice}")
    return table.read("rejoin", scalars.choice(REJOINS), DEFAULT.rejoin)


def _lease(table: Table) -> float:
    if "lease" in table and _failover(table) != "strict":
        problem = 'cannot hold a lease unless failover = "strict"'
        raise table.error("lease", f"{problem}: leave it out, or write that")
    return table.read("lease", scalars.duration(*LEASE), DEFAULT.lease)


def _labels(table: Table, key: str) -> dict[str, str]:
    """Return labels, written as a table or as a list of ``"key=value"``."""
    if isinstance(table.content.get(key), list):
        pairs = table.items(key, parts.label)
        labels = dict(pairs)
        if len(labels) < len(pairs):
            raise table.error(key, "cannot ask for two values of one label")
        return labels
    return dict(_label(name, value, place) for name, value, place in table.pairs(key))


def _label(name: str, value: object, place: Place) -> tuple[str, str]:
    if isinstance(value, dict):
        raise place.error('cannot read dots in a label\'s key: quote it, "fact.arch"')
    text = f"{name}={converted(value, scalars.text, place)}"
    return converted(text, parts.label, place)


def _environment(table: Table) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value, place in table.pairs("env"):
        converted(name, parts.variable, place)
        if name in RESERVED_VARIABLES:
            raise place.error(f"cannot set {name}: every replica is given its own")
        found[name] = converted(value, parts.setting, place)
    return found


def _ports(table: Table) -> tuple[Port, ...]:
    found = table.items("ports", parts.port)
    network = table.content.get("network", "bridge")
    if found and network != "bridge":
        why = "its ports are the device's own" if network == "host" else "it has none"
        advice = f"cannot publish ports with network = {scalars.shown(network)}: {why}"
        raise table.error("ports", f"{advice}; leave `ports` out")
    for index, port in enumerate(found):
        if any(ports.clash(port, other) for other in found[:index]):
            problem = f"cannot publish port {ports.spelled(port)} of the device twice"
            raise table.place.at("ports", index).error(problem)
    return found


def _refuse_fact_secrets(table: Table, workload: Workload) -> None:
    """Raise when a device could ask for a secret by what it says of itself."""
    if not workload.secrets:
        return
    for key, labels in (("every", [workload.every]), ("require", workload.require)):
        for label in labels:
            if label.startswith(FACT_PREFIX):
                problem = "cannot choose who gets a secret by a fact. label: a device"
                advice = "says those of itself; use a label you gave it"
                raise table.error(key, f"{problem} {advice}")


def _regular(table: Table, template: Workload) -> Workload:
    """Return ``template`` as every reader will see it; raise where one would refuse.

    The last net: what the fields above let through and a document does not.
    """
    try:
        body = msgspec.json.encode(template)
        return msgspec.json.decode(body, type=Workload)
    except msgspec.ValidationError as error:
        # msgspec ends its sentence with the place: " - at `$.ports[0].host`".
        problem, _, at = str(error).partition(" - at `$")
        place = table.place.at(*re.findall(r"[a-z_]+", at))
        raise place.error(f"cannot use this: {problem}") from error
