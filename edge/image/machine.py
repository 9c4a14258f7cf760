"""The virtual machine an image is tried in: a small device, spelled for QEMU.

One processor, half a gigabyte, UEFI, a disk, a cable, a watchdog and a serial console.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NODE_MEMORY = 512
"""MiB; what the smallest devices that Tutti is for have."""
PROGRAMS: Mapping[str, str] = {
    "amd64": "qemu-system-x86_64",
    "arm64": "qemu-system-aarch64",
}
# q35 has the watchdog's bus; pointer authentication in software costs half the speed.
BOARDS: Mapping[str, tuple[str, ...]] = {
    "amd64": ("-machine", "q35", "-cpu", "max"),
    "arm64": ("-machine", "virt", "-cpu", "max,pauth-impdef=on"),
}
FIRMWARE: Mapping[str, str] = {
    "amd64": "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "arm64": "/usr/share/AAVMF/AAVMF_CODE.fd",
}
VARIABLES: Mapping[str, str] = {
    "amd64": "/usr/share/OVMF/OVMF_VARS_4M.fd",
    "arm64": "/usr/share/AAVMF/AAVMF_VARS.fd",
}
"""What a board's memory of settings holds when it leaves the factory."""
FIRMWARE_PACKAGES: Mapping[str, str] = {"amd64": "ovmf", "arm64": "qemu-efi-aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What one machine is made of.

    ``tap`` is the network device it is plugged in to, "" for QEMU's own network, where
    this machine is 10.0.2.2. ``memory`` is in MiB, ``disk_size`` as qemu-img has it.
    Of ``accelerators``, the first that works is taken; "tcg" works everywhere.
    ``clock`` is what its clock says when it is switched on, as QEMU has it.
    """

    architecture: str
    serial: str
    mac: str
    tap: str = ""
    memory: int = NODE_MEMORY
    disk_size: str = "4G"
    accelerators: tuple[str, ...] = ("tcg",)
    clock: str = "utc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where the machine's state is: its disk, its settings, what its console said."""

    disk: str
    variables: str
    console: str


def command(hardware: Hardware, state: Files, enter: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs the machine, with QMP on its stdin and stdout.

    ``enter`` stands before it and enters a namespace. The machine does not outlive
    whoever started it.
    """
    machine = hardware.architecture
    return [
        *("setpriv", "--pdeathsig", "KILL", *enter),
        PROGRAMS[machine],
        *BOARDS[machine],
        *(word for each in hardware.accelerators for word in ("-accel", each)),
        *("-rtc", f"base={hardware.clock}"),
        *("-smp", "1", "-m", str(hardware.memory), "-display", "none", "-nodefaults"),
        *_flash(FIRMWARE[machine], "on"),
        *_flash(state.variables, "off"),
        *("-drive", f"if=virtio,format=qcow2,file={_quoted(state.disk)}"),
        *("-netdev", _network(hardware.tap)),
        *("-device", f"virtio-net-pci,netdev=lan,mac={hardware.mac},romfile="),
        *(
            "-smbios",
            f"type=1,manufacturer=QEMU,product=Guest,serial={hardware.serial}",
        ),
        *("-device", "i6300esb", "-watchdog-action", "reset"),
        *("-device", "virtio-rng-pci"),
        *("-chardev", f"file,id=console,append=on,path={_quoted(state.console)}"),
        *("-serial", "chardev:console", "-qmp", "stdio"),
    ]


def _flash(path: str, readonly: str) -> tuple[str, str]:
    return ("-drive", f"if=pflash,format=raw,readonly={readonly},file={_quoted(path)}")


def _network(tap: str) -> str:
    if not tap:
        return "user,id=lan"
    return f"tap,id=lan,ifname={tap},script=no,downscript=no"


def _quoted(path: str) -> str:
    """Return a path as QEMU reads it inside of an option: commas twice."""
    return path.replace(",", ",,")
