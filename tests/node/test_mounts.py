"""Which file system a path is on."""

from node import mounts

MOUNTINFO = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
25 22 0:5 / /run rw,nosuid shared:2 - tmpfs tmpfs rw,size=1024k,mode=755
26 25 0:6 / /run/tutti/secrets rw - tmpfs tutti-secrets rw,size=8192k,noswap
27 22 0:7 / /mnt/a\040b rw - ext4 /dev/sda rw
28 22 0:8 / /run rw - ramfs ramfs rw
not a line
"""


def test_the_deepest_mount_wins():
    """With its options, which say whether it can be swapped."""
    found = mounts.mount_of(MOUNTINFO, "/run/tutti/secrets/x")
    assert found == mounts.Mount(
        "/run/tutti/secrets", "tmpfs", ("rw", "size=8192k", "noswap")
    )


def test_a_later_mount_covers_an_earlier_one_at_the_same_place():
    """As the kernel shows it."""
    found = mounts.mount_of(MOUNTINFO, "/run/x")
    assert found is not None
    assert found.kind == "ramfs"


def test_a_name_that_only_begins_alike_is_not_below():
    """/runner is not on /run."""
    found = mounts.mount_of(MOUNTINFO, "/runner")
    assert found is not None
    assert found.point == "/"


def test_spaces_in_mount_points_are_understood():
    """The kernel writes them in octal."""
    found = mounts.mount_of(MOUNTINFO, "/mnt/a b/c")
    assert found is not None
    assert found.point == "/mnt/a b"


def test_no_mounts_are_no_answer():
    """A text that is not mountinfo says nothing."""
    assert mounts.mount_of("", "/run") is None
