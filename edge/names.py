"""The names people and devices carry, and how they are spelled.

One alphabet (``[a-z0-9-]``, DNS label rules) for fleets, sites, nodes, deployments and
workloads: such a name is a topic level, a certificate CN, a container name and a
host name without any escaping. The hub's and operators' identities lie outside it
(`HUB_IDENTITY` has a capital letter), so no device can ever be issued one of them.
"""

import re
from typing import Annotated, NewType

from msgspec import Meta

FleetName = NewType("FleetName", str)
SiteName = NewType("SiteName", str)
NodeName = NewType("NodeName", str)
DeploymentName = NewType("DeploymentName", str)
WorkloadName = NewType("WorkloadName", str)
DeviceId = NewType("DeviceId", str)
Slot = NewType("Slot", str)

# How the same rules stand in the shape of a document, for the strict decoder.
Name = Annotated[str, Meta(pattern=r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")]
KEY_SPELLING = r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
"""32 bytes in unpadded base64url; 43 digits hold two bits more, which must be zero."""
KeyText = Annotated[str, Meta(pattern=rf"\A{KEY_SPELLING}\Z")]
Digest = Annotated[str, Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
SlotName = Annotated[
    str,
    Meta(
        pattern=r"\A[a-z0-9-]{1,63}/[a-z0-9-]{1,63}(\.[1-9][0-9]{0,4}|@[a-z0-9-]{1,63})\Z"
    ),
]
Text = Annotated[str, Meta(max_length=4096)]
Short = Annotated[str, Meta(max_length=256)]
Labels = Annotated[dict[Short, Short], Meta(max_length=64)]
Seconds = Annotated[float, Meta(ge=0, le=1e11)]  # 1e11: the year 5138
COUNTER_MAX = 2**53 - 1  # what every JSON reader can hold
Counter = Annotated[int, Meta(ge=0, le=COUNTER_MAX)]

HUB_IDENTITY = "Hub"
LABEL_MAX = 63  # RFC 1035: a DNS label
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NAME_RULE = "lower-case letters, digits and inner hyphens, at most 63"
LABEL_KEY = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
FACT_PREFIX = "fact."
SLOT = re.compile(
    r"(?P<deployment>[a-z0-9-]+)/(?P<workload>[a-z0-9-]+)"
    r"(\.(?P<index>[1-9][0-9]{0,4})|@(?P<node>[a-z0-9-]+))"
)


def is_name(text: str) -> bool:
    """Return whether ``text`` may name a fleet, site, node, deployment or workload."""
    return NAME.fullmatch(text) is not None


def is_label(key: str, value: str) -> bool:
    """Return whether a label may be carried; ``fact.`` keys are the device's own."""
    if key.startswith(FACT_PREFIX):
        return False
    return bool(LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value))


def numbered_slot(deployment: str, workload: str, index: int) -> Slot:
    """Return the slot of replica ``index``, counted from 1: ``web/web.2``."""
    return Slot(f"{deployment}/{workload}.{index}")


def node_slot(deployment: str, workload: str, node: str) -> Slot:
    """Return the slot of an ``every`` workload on one node: ``sensor/reader@n1``."""
    return Slot(f"{deployment}/{workload}@{node}")


def replica_of(slot: Slot) -> str:
    """Return the part people say: ``web.2`` or ``reader@n1``."""
    return slot.partition("/")[2]
