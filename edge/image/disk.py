"""An image that is there: what is on it, and another card put into it."""

from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError, ImageError
from edge.image import assemble, card, fat, gpt, packing, tools
from edge.image.assemble import Report
from edge.image.build import between, workshop
from edge.image.card import Card
from edge.image.gpt import Table

AGAIN = "build it again with `edgectl image build`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a card gets; None keeps what it has. ``hubs`` go into the join file."""

    join: str | None = None
    network: str | None = None
    wifi: str = ""
    hubs: tuple[str, ...] = ()


def read_table(image: Path) -> Table:
    """Return the partitions of a raw image.

    Raises:
        ImageError: it is none of ours, or cut short.
    """
    if not image.is_file():
        raise ImageError(f"cannot read {image}: there is no such file")
    try:
        table = gpt.parse(tools.call("sfdisk", "--json", image))
    except ImageError as error:
        problem = f"cannot use {image}: it is not a Tutti image ({error})"
        raise ImageError(problem) from error
    names = {each.name for each in table.partitions}
    if gpt.ROOT_A not in names:
        problem = f"it has no partition {gpt.ROOT_A}"
        raise ImageError(f"cannot use {image}: it is not a Tutti image ({problem})")
    if gpt.CARD not in names:
        problem = f"it has no partition {gpt.CARD}"
        raise ImageError(f"cannot use {image}: {problem}; {AGAIN}")
    end = max(each.start + each.size for each in table.partitions)
    if image.stat().st_size < end:
        raise ImageError(f"cannot use {image}: it is cut short; {AGAIN}")
    return table


def read_card(image: Path, table: Table) -> Card:
    """Return what is on the partition TUTTI, unchecked.

    Raises:
        ImageError: the partition is damaged.
    """
    volume = fat.at(image, table[gpt.CARD], 0)
    try:
        found = {each: fat.read(volume, each) for each in (card.JOIN, card.NETWORK)}
        texts = {name: (content or b"").decode() for name, content in found.items()}
    except (ImageError, UnicodeDecodeError) as error:
        problem = f"cannot read partition {gpt.CARD} of {image}: it is damaged"
        both = "name both --join and --network to write it anew"
        raise ImageError(f"{problem}; {both} ({error})") from error
    return Card(join=texts[card.JOIN], network=texts[card.NETWORK])


def configure(image: Path, change: Change, now: float, report: Report) -> Card:
    """Put another card into an image, raw or packed; return it.

    The partition is made anew: nothing of an older join file stays in the image, nor
    anything else that lay there. The image is replaced as a whole, or not at all.

    Raises:
        ConfigError: a device could not use what the card would hold.
        ImageError: the image is none of ours or damaged, or the disk is full.
    """
    if not packing.is_packed(image):
        report("copying", 0.0)
        with packing.replacing(image, packing.PRIVATE) as part:
            read_table(image)
            tools.call("cp", "--sparse=always", image, part)
            return _change(part, change, now)
    with workshop() as folder, packing.replacing(image, packing.PRIVATE) as part:
        raw = folder / "raw.img"
        packing.unpack(image, raw, between(report, 0.0, 0.3))
        made = _change(raw, change, now)
        packing.pack(raw, part, between(report, 0.3, 1.0))
        return made


def _change(raw: Path, change: Change, now: float) -> Card:
    table = read_table(raw)
    is_whole = change.join is not None and change.network is not None
    before = Card() if is_whole else read_card(raw, table)
    join = before.join if change.join is None else change.join
    network = before.network if change.network is None else change.network
    if not join and change.hubs:
        raise ConfigError("cannot set a hub: the image has no join file; name --join")
    made = Card(
        join=card.join_text(join, change.hubs, now) if join else "",
        network=card.network_text(network or card.NO_NETWORK, change.wifi),
    )
    assemble.write_card(made, raw, table, int(now))
    return made
