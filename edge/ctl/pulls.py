"""What a plan has devices fetch, and whether they have room for it.

Sizes are compressed, as registries tell them. A layer counts once a device, and not at
all where the version before brought it. Registries are asked by the caller: `images`
says for what, `priced` takes the answers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from edge.ctl import units
from edge.ctl.impact import Ground, named, some
from edge.ctl.plan import Change, Plan
from edge.model import Image, PlatformImage
from edge.names import NodeName
from node.preflight import DISK_RESERVE, UNPACKED

UNTOUCHED = frozenset({"unchanged", "removed"})
Layers = Mapping[str, int]
"""Digest of a layer → its compressed size in bytes."""
Sizes = Mapping[str, Layers | None]
"""Digest of a manifest → its layers, None where no registry said."""


def images(plan: Plan, ground: Ground) -> tuple[tuple[str, str], ...]:
    """Return reference and manifest digest of each image whose layers matter."""
    found = {
        (image.reference, platform.manifest)
        for each in plan.changes
        for image, platform in _both(ground, each)
    }
    return tuple(sorted(found))


def priced(plan: Plan, ground: Ground, sizes: Sizes) -> Plan:
    """Return the plan with what each device has to fetch, and where that is too much.

    Where the old image's layers are unknown, all of the new ones count.
    """
    there: dict[str, set[str]] = {}
    changes = tuple(_priced(ground, each, sizes, there) for each in plan.changes)
    priced = msgspec.structs.replace(plan, changes=changes)
    short = some(_disk_shortages(priced, ground))
    return msgspec.structs.replace(
        priced,
        pulls=tuple(_pulls(priced, ground)),
        shortages=(*plan.shortages, *short),
    )


def _both(ground: Ground, change: Change) -> Iterator[tuple[Image, PlatformImage]]:
    """Yield the new image of a slot and, where it takes its place, the old one."""
    if change.kind in UNTOUCHED or _is_there(ground, change):
        return
    images = [ground.new[change.workload].image]
    was = ground.was(change)
    if change.kind == "changed" and was is not None:
        images.append(was.image)
    for image in images:
        found = _platform(ground, change, image)
        if found is not None:
            yield image, found


def _is_there(ground: Ground, change: Change) -> bool:
    """Return whether the device has the very image already: something else changes."""
    was = ground.was(change)
    if change.kind != "changed" or was is None:
        return False
    return was.image == ground.new[change.workload].image


def _platform(ground: Ground, change: Change, image: Image) -> PlatformImage | None:
    """Return what the device of a slot would pull of an image, None if nobody knows."""
    node = ground.nodes.get(NodeName(change.node))
    architecture = node.architecture if node else ""
    for each in image.platforms:
        if each.architecture == architecture or len(image.platforms) == 1:
            return each
    return None


def _priced(
    ground: Ground, change: Change, sizes: Sizes, there: dict[str, set[str]]
) -> Change:
    if change.kind in UNTOUCHED:
        return change
    if _is_there(ground, change):
        return msgspec.structs.replace(change, pull=0)
    found = [sizes.get(each.manifest) for _, each in _both(ground, change)]
    if not found or found[0] is None:
        return change
    held = there.setdefault(change.node, set())
    for old in found[1:]:
        held.update(old or {})
    pull = sum(size for layer, size in found[0].items() if layer not in held)
    held.update(found[0])
    return msgspec.structs.replace(change, pull=pull)


def _pulls(plan: Plan, ground: Ground) -> Iterator[str]:
    """Yield how much is to be fetched, and for what nobody could say."""
    known = _by_node(plan)
    if known:
        most = max(known.values())
        kept = f"; the images of version {ground.after.fallback} stay as the way back"
        yield (
            f"{units.about(sum(known.values()))} on {_devices(len(known))}, "
            f"at most {units.about(most)} on one{kept if ground.limits else ''}"
        )
    dark = {
        each.workload
        for each in plan.changes
        if each.kind not in UNTOUCHED and each.pull is None
    }
    if dark:
        yield f"unknown for {named(sorted(dark))}: no registry said how large it is"


def _by_node(plan: Plan) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for each in plan.changes:
        if each.pull:
            found[each.node] += each.pull
    return found


def _disk_shortages(plan: Plan, ground: Ground) -> Iterator[str]:
    for name, pull in sorted(_by_node(plan).items()):
        free = ground.disks.get(NodeName(name), 0)
        needed = DISK_RESERVE + UNPACKED * pull
        if free and free < needed:
            yield (
                f"{name} has {units.about(free)} of disk free and needs about "
                f"{units.about(needed)} (an estimate: unpacked, and a reserve)"
            )


def _devices(count: int) -> str:
    return f"{count} device{'' if count == 1 else 's'}"
