"""The arm64 recipe as far as no emulation is needed: packages, wheels, partitions.

`just image-test-arm64` builds and boots it, which takes a quarter of an hour.
"""

from pathlib import Path

from edge.image import assemble, disk, fat, gpt, recipe, stage, tools, wheels
from edge.image.card import Card
from edge.image.parts import Wishes
from tests.support import images

ROOT = Path(__file__).parents[2]
AARCH64 = 0xB7
ARM64 = recipe.read(ROOT / "firmware-images", "debian-arm64")


def test_every_package_can_be_installed(tmp_path: Path) -> None:
    """Debian has them all for this machine, and they go together; firmware too."""
    wishes = Wishes(ssh_key="ssh-ed25519 A", has_firmware=True)
    command = stage.command(ARM64, wishes, tmp_path)
    # Nothing of it runs here: the machine that tests this need not be able to.
    command[1:1] = ["--simulate", "--skip=check/qemu"]
    said: list[str] = []
    tools.follow(*command, heard=said.append, extra={})
    chosen = {line.split()[1] for line in said if line.startswith("Inst ")}
    assert {name.split(":")[0] for name in chosen} >= set(
        recipe.packages(ARM64, wishes)
    )


def test_every_wheel_exists(tmp_path: Path) -> None:
    """Compiled ones for the target, hashes checked: nothing is built on a device."""
    lock = ARM64.common / "requirements.lock"
    wheels.install(ROOT, lock, "arm64", tmp_path / "payload")
    found = tmp_path / "payload" / wheels.HOME / wheels.PACKAGES
    compiled = sorted(path.name for path in found.rglob("*.so"))
    assert "_sodium.abi3.so" in compiled
    assert {machine(path) for path in found.rglob("*.so")} == {AARCH64}


def machine(path: Path) -> int:
    """Return what a program is for (elf(5), e_machine)."""
    return int.from_bytes(path.read_bytes()[18:20], "little")


def test_its_disk_is_one_of_its_own(tmp_path: Path) -> None:
    """The boot loader where this machine's firmware looks, roots of its own type."""
    parts = images.parts(tmp_path / "parts", "arm64")
    made = tmp_path / "shop.img"
    assemble.assemble(parts, Card(join=images.join_text()), made, images.silent)
    table = disk.read_table(made)
    names = fat.names(fat.at(made, table[gpt.ESP], images.EPOCH), "EFI/BOOT")
    assert names == ["BOOTAA64.EFI"]
    assert gpt.architecture_of(table) == "arm64"
