"""What each retained topic should hold, by what the hub has and the devices lack.

- ``desired``: the node document, then deployments and tombstones, then what its
  rollouts bring (`hub.proofs`), then the assignment, always and last. Deployments are
  those assigned, each with the version to go back to before it, and those the device
  still holds or runs: the newest of them is the cause to stop.
- ``secrets``: what is sealed to the device, assigned deployments first; nothing of
  deployments that have ended.
- Only what the device's last report lacks. A newer version there than here, or the
  same number with another content, is not ours to send; `behind` names it.
- A message stays under the size of a bundle; the rest follows the next report.
- A revoked device gets nothing: its topics, and what it said, are cleared.
"""

from collections.abc import Iterable, Iterator, Mapping

from edge import topics
from edge.documents import Assignment, Report
from edge.model import Held
from edge.names import FleetName, NodeName
from hub.fleet import Standing
from hub.proofs import Brought
from hub.publication import Wanted
from hub.shelf import COMMA, Kept, Shelf, fitting

TRUST_KEPT = 8
"""Trust documents on the broker; a device that missed more asks over HTTPS."""
FIRST, SECOND, SECRETS, PLAN, DESIRED, LAST = range(6)
DEPLOYMENT = "deployment/"
NOTHING = Brought()


def for_fleet(fleet: FleetName, shelf: Shelf) -> tuple[Wanted, ...]:
    """Return what everyone reads: trust, revocation, beacon."""
    return (
        Wanted(
            topic=topics.trust(fleet),
            documents=shelf.newest_trust(TRUST_KEPT),
            rank=FIRST,
        ),
        Wanted(
            topic=topics.revocation(fleet),
            documents=_present(shelf, ["revocation"]),
            rank=SECOND,
        ),
        Wanted(
            topic=topics.beacon(fleet),
            documents=_present(shelf, ["beacon"]),
            rank=LAST,
        ),
    )


def for_node(
    fleet: FleetName,
    shelf: Shelf,
    standing: Standing,
    assignment: Assignment | None,
    brought: Brought = NOTHING,
) -> tuple[Wanted, ...]:
    """Return what one device should find under its name."""
    if standing.is_revoked:
        return _nothing(fleet, standing.name)
    report = standing.heard.report if standing.heard else None
    held = held_by(report)
    assigned = {place.deployment for place in assignment.replicas} if assignment else ()
    streams = _streams(standing.device, sorted(assigned), report)
    found = with_ways_back(shelf, _present(shelf, streams))
    return (
        _secrets(fleet, shelf, standing, set(assigned), held),
        _desired(
            topics.desired(fleet, standing.name),
            [*found, *brought.documents],
            shelf.get(f"assignment/{standing.device}"),
            (held, brought.spare),
        ),
    )


def behind(shelf: Shelf, report: Report) -> tuple[str, ...]:
    """Return streams of which the device holds something newer than the hub, or else.

    It means that the hub lost documents; devices hold theirs.
    """
    return tuple(sorted(each.stream for each in report.held if _is_beyond(shelf, each)))


def held_by(report: Report | None) -> dict[str, Held]:
    """Return what a report says is held, by stream."""
    return {each.stream: each for each in report.held} if report else {}


def lacking(documents: Iterable[Kept], held: Mapping[str, Held]) -> Iterator[Kept]:
    """Yield what a report does not list, or lists an older one of."""
    for kept in documents:
        holds = held.get(kept.stream)
        if holds is None or holds.version < kept.counter[0]:
            yield kept


def with_ways_back(shelf: Shelf, found: Iterable[Kept]) -> Iterator[Kept]:
    """Yield documents, before each deployment the version that it goes back to.

    A device that has the newer one takes the older one no more.
    """
    for kept in found:
        before = shelf.way_back(kept)
        yield from (before, kept) if before else (kept,)


def _nothing(fleet: FleetName, name: NodeName) -> tuple[Wanted, ...]:
    places = (
        topics.secrets,
        topics.plan,
        topics.wanted,
        topics.desired,
        topics.report,
        topics.status,
    )
    return tuple(Wanted(topic=place(fleet, name), rank=FIRST) for place in places)


def _streams(device: str, assigned: list[str], report: Report | None) -> Iterable[str]:
    """Return the streams a device may need, most needed first, each once."""
    held = [each.stream for each in report.held] if report else []
    runs = [each.deployment for each in report.replicas] if report else []
    wanted = [
        f"node/{device}",
        *(f"{DEPLOYMENT}{name}" for name in assigned),
        *sorted({f"{DEPLOYMENT}{name}" for name in runs}),
        *sorted(stream for stream in held if stream.startswith(DEPLOYMENT)),
    ]
    return dict.fromkeys(wanted)


def _desired(
    topic: str,
    documents: Iterable[Kept],
    last: Kept | None,
    has: tuple[Mapping[str, Held], frozenset[str]],
) -> Wanted:
    """Return a message; ``has`` is what is held, and digests of what may be, too."""
    held, also = has
    end = (last,) if last else ()
    reserved = sum(len(each.envelope) + COMMA for each in end)
    found = fitting(lacking(documents, held), reserved, len(end))
    spare = also.union(each.digest for each in held.values())
    return Wanted(topic=topic, documents=(*found, *end), spare=spare, rank=DESIRED)


def _secrets(
    fleet: FleetName,
    shelf: Shelf,
    standing: Standing,
    assigned: set[str],
    held: Mapping[str, Held],
) -> Wanted:
    def order(kept: Kept) -> tuple[bool, str]:
        return kept.stream.split("/")[1] not in assigned, kept.stream

    sealed = _present(shelf, shelf.sealed.get(standing.device, ()))
    alive = [kept for kept in sealed if not _is_over(shelf, kept)]
    return Wanted(
        topic=topics.secrets(fleet, standing.name),
        documents=fitting(lacking(sorted(alive, key=order), held)),
        spare=frozenset(each.digest for each in held.values()),
        rank=SECRETS,
    )


def _is_over(shelf: Shelf, secret: Kept) -> bool:
    """Return whether the deployment of a secret has ended; before it begins is fine."""
    deployment = shelf.get(f"{DEPLOYMENT}{secret.stream.split('/')[1]}")
    return deployment is not None and deployment.is_end


def _present(shelf: Shelf, streams: Iterable[str]) -> tuple[Kept, ...]:
    found = (shelf.get(stream) for stream in streams)
    return tuple(kept for kept in found if kept)


def _is_beyond(shelf: Shelf, held: Held) -> bool:
    kept = shelf.get(held.stream)
    if kept is None or len(kept.counter) > 1:
        return kept is None  # the hub's own documents are compared by whole counters
    if held.version == kept.counter[0]:
        return held.digest != kept.digest
    return held.version > kept.counter[0]
