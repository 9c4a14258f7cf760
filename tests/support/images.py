"""Small parts of an image: real formats, and nothing in them that could boot."""

from pathlib import Path

from edge import documents, joinfile, sealing
from edge.documents import Voucher
from edge.image import assemble, card
from edge.image.card import Card
from edge.image.gpt import Table
from edge.image.parts import Architecture, Parts
from edge.joinfile import JoinFile

EPOCH = 1735689600
CLOSES_AT = 1e9
SEED = b"j" * 32


def join_text(fleet: str = "shop", closes_at: float = CLOSES_AT) -> str:
    """A join file that holds together, of site store-7."""
    voucher = Voucher(
        fleet=fleet,
        id="v1",
        key=sealing.SigningKey(SEED).public,
        site="store-7",
        uses=20,
        opens_at=0.0,
        closes_at=closes_at,
        issued_at=0.0,
    )
    return joinfile.render(
        JoinFile(
            fleet=fleet,
            root="sha256:" + "a" * 64,
            hubs=("https://hub:8443",),
            seed=SEED,
            voucher=documents.sign(voucher, sealing.SigningKey(b"o" * 32)),
        )
    )


def parts(folder: Path, architecture: Architecture = "amd64") -> Parts:
    """Parts with a root of 3 MiB, an initrd and a kernel told apart by their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "root": b"hsqs" + bytes(range(256)) * 12288,
        "kernel": b"K" * 200_000,
        "initrd": b"I" * 300_001,
        "loader": b"L" * 1000,
        "packages": b"base-files=12\n",
        "bill": b"{}\n",
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    paths = {name: folder / name for name in made}
    options = "root=PARTLABEL=tutti-root-a"
    return Parts(
        architecture=architecture,
        title="Tutti for tests",
        options=options,
        epoch=EPOCH,
        **paths,
    )


def image(folder: Path, text: str | None = None) -> tuple[Path, Table]:
    """An assembled raw image, and its partitions."""
    made = folder / "made.img"
    content = Card(join=join_text() if text is None else text, network=card.NO_NETWORK)
    return made, assemble.assemble(parts(folder / "parts"), content, made, silent)


def silent(_what: str, _share: float) -> None:
    """Nobody looks at the progress."""
