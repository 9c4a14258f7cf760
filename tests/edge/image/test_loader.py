"""What systemd-boot finds on the boot partition."""

from edge.image import loader


def test_the_entry_names_kernel_initrd_and_options():
    """Each on a line of its own, by the paths on the partition."""
    lines = loader.entry("Tutti", "root=PARTLABEL=tutti-root-a ro").splitlines()
    assert "linux /a/vmlinuz" in lines
    assert "initrd /a/initrd.img" in lines
    assert "options root=PARTLABEL=tutti-root-a ro" in lines


def test_a_new_image_has_three_tries():
    """systemd-boot counts them down in the file's name."""
    assert loader.ENTRY_NAME.endswith("tutti-a+3.conf")


def test_nobody_edits_the_command_line():
    """A keyboard at the device is not a way in."""
    assert "editor no" in loader.SETTINGS
