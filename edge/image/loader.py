"""What systemd-boot reads: where it lies, its settings, and an entry for each slot.

An entry's file name carries the tries it has left: ``tutti-a+3.conf``. The boot loader
counts them down, and the device takes the number away once it works (docs/firmware.md).
"""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "amd64": "EFI/BOOT/BOOTX64.EFI",
    "arm64": "EFI/BOOT/BOOTAA64.EFI",
}
"""Where firmware looks on a disk it has never seen."""
SETTINGS_NAME = "loader/loader.conf"
ENTRY_NAME = "loader/entries/tutti-a+3.conf"
KERNEL_NAME = "a/vmlinuz"
INITRD_NAME = "a/initrd.img"
SETTINGS = "timeout 0\neditor no\ndefault tutti-*\n"
"""Nobody at the keyboard may change the kernel's command line."""


def entry(title: str, options: str) -> str:
    """Return the entry of slot A."""
    lines = (
        f"title {title}",
        "version 1",
        f"linux /{KERNEL_NAME}",
        f"initrd /{INITRD_NAME}",
        f"options {options}",
    )
    return "\n".join(lines) + "\n"
