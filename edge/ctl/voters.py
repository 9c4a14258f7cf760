"""Whose grants make the lease of a ``strict`` replica: which voters to name, and why.

- A first version may name any devices of the site; each later one adds or removes one.
  Majorities of two neighbouring versions then always share a voter.
- A voter is an approved member of the site. A *witness* is no kind of its own: it is a
  device that is cordoned, so that it votes and runs nothing.
- With n voters a lease needs n // 2 + 1 of them: an even number survives no more losses
  than the odd number below it.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from edge.ctl import approval
from edge.ctl.approval import Device
from edge.documents import Voters
from edge.errors import ConfigError
from edge.trust import Ledger

INITIAL_MAX = 5  # more voters survive more losses, and each renewal asks all of them
VOTERS_MAX = 15  # `edge.documents.Voters` carries no more


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asked for: names of devices, at most one of the three."""

    named: tuple[str, ...] = ()
    added: str = ""
    removed: str = ""


def members(ledger: Ledger, site: str) -> tuple[Device, ...]:
    """Return the approved devices of a site, by name."""
    return tuple(
        each
        for each in approval.devices(ledger)
        if each.site == site and is_approved(each, ledger)
    )


def is_approved(device: Device, ledger: Ledger) -> bool:
    """Return whether a device may run something: by an operator's word or its token."""
    if device.node is not None:
        return True
    voucher = ledger.vouchers.get(device.enrolled.member.voucher)
    return voucher is not None and not voucher.approve


def initial(found: Iterable[Device]) -> tuple[str, ...]:
    """Return the ids of a site's first voters: all its devices, or the first five."""
    ordered = sorted(found, key=lambda each: each.name)
    return tuple(each.id for each in ordered[:INITIAL_MAX])


def majority(count: int) -> int:
    """Return how many of so many voters a lease needs."""
    return count // 2 + 1


def chosen(
    before: Voters | None,
    wish: Wish,
    site: str,
    found: Sequence[Device],
    names: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the ids of the voters that were asked for; raise `ConfigError` if not.

    ``names`` are name → id of every device ever known: one that is gone can leave.
    """
    kept = before.voters if before else ()
    if wish.named:
        wanted = _ids(wish.named, site, found, kept)
    elif wish.added:
        wanted = (*kept, *_ids((wish.added,), site, found))
    else:
        wanted = _without(kept, wish.removed, site, names)
    _check(before, wanted, names)
    return wanted


def remarks(voters: int, devices: int) -> tuple[str, ...]:
    """Return what so many voters mean for a site of so many devices, as sentences."""
    need, lost = majority(voters), voters - majority(voters)
    said = [f"a lease needs {need} of {voters} voters: {_losses(lost)}"]
    if voters == 2:  # noqa: PLR2004 - the case people ask about
        said.append(
            "two voters are a majority only together; a witness, a third device that "
            "is cordoned, lets either be lost"
        )
    elif voters % 2 == 0:
        said.append(f"{voters - 1} voters survive as many losses: an odd number is due")
    if devices > voters and voters < INITIAL_MAX:
        said.append(f"{devices - voters} devices of the site have no vote")
    return tuple(said)


def _ids(
    wanted: Iterable[str], site: str, found: Sequence[Device], kept: Sequence[str] = ()
) -> tuple[str, ...]:
    known = {each.name: each.id for each in found} | {
        each.id: each.id for each in found
    }
    for name in wanted:
        if name not in known:
            problem = f"cannot let {name!r} vote: no approved device of {site}"
            raise ConfigError(f"{problem}; see `edgectl get nodes`")
    ids = {known[name] for name in wanted}
    stays = [each for each in kept if each in ids]
    return tuple(stays + sorted(ids - set(stays), key=lambda each: _name(each, found)))


def _without(
    kept: Sequence[str], name: str, site: str, names: Mapping[str, str]
) -> tuple[str, ...]:
    gone = names.get(name, name)
    if gone not in kept:
        raise ConfigError(f"cannot remove voter {name!r}: {site} has no such voter")
    if len(kept) == 1:
        raise ConfigError(f"cannot remove voter {name!r}: it is the last one of {site}")
    return tuple(each for each in kept if each != gone)


def _check(
    before: Voters | None, wanted: Sequence[str], names: Mapping[str, str]
) -> None:
    """Refuse here what every device would refuse."""
    if len(wanted) > VOTERS_MAX:
        raise ConfigError(f"cannot name {len(wanted)} voters: at most {VOTERS_MAX}")
    if len(set(wanted)) < len(wanted):
        raise ConfigError("cannot add the voter: it votes already")
    changed = set(wanted) ^ set(before.voters) if before else set()
    if len(changed) <= 1:
        return
    by_id = {device: name for name, device in names.items()}
    said = ", ".join(sorted(by_id.get(each, each) for each in changed))
    problem = f"cannot change {len(changed)} voters at once ({said})"
    reason = "majorities before and after must share a voter"
    raise ConfigError(f"{problem}: {reason}; use --add and --remove, one at a time")


def _losses(lost: int) -> str:
    if not lost:
        return "none may be lost"
    return f"{lost} may be lost"


def _name(device: str, found: Sequence[Device]) -> str:
    return next((each.name for each in found if each.id == device), device)
