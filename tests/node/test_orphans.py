"""Which monitors are orphans, from a picture of /proc."""

from node import orphans
from node.orphans import Monitor

OURS = "tutti-"


def process(proc, pid: int, comm: str, words: list[str], network: str) -> None:
    """Draw one process."""
    folder = proc / str(pid)
    (folder / "ns").mkdir(parents=True)
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    (folder / "ns" / "net").symlink_to(network)


def drawn(tmp_path):
    """Draw a machine with our conmon, a stranger's, and another machine's."""
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "net").symlink_to("net:[1]")
    ours = ["conmon", "-c", "aaa", "-n", "tutti-web_web.1_r1"]
    process(tmp_path, 10, "conmon", ours, "net:[1]")
    process(tmp_path, 11, "conmon", ["conmon", "-c", "b", "-n", "db"], "net:[1]")
    process(tmp_path, 12, "conmon", ours, "net:[2]")
    process(tmp_path, 13, "python", ["python", "-c", "aaa"], "net:[1]")
    return tmp_path


def test_only_our_own_monitors_are_seen(tmp_path):
    """A stranger's container and another machine's are not ours."""
    found = orphans.monitors(OURS, drawn(tmp_path))
    assert found == (Monitor(pid=10, container="aaa", name="tutti-web_web.1_r1"),)


def test_a_network_the_kernel_hides_is_our_own(tmp_path):
    """A sandboxed daemon cannot read it, and runs on a machine of its own."""
    proc = drawn(tmp_path)
    (proc / "10" / "ns" / "net").unlink()
    assert [each.pid for each in orphans.monitors(OURS, proc)] == [10]


def test_a_monitor_of_a_known_container_is_no_orphan():
    """What Podman lists, Podman can end."""
    monitor = Monitor(pid=10, container="aaa", name="tutti-x")
    assert orphans.unknown([monitor], ["aaa"]) == ()
    assert orphans.unknown([monitor], ["bbb"]) == (monitor,)


def test_this_machine_can_be_looked_at():
    """The real /proc is read without a failure."""
    assert isinstance(orphans.monitors("tutti-no-such"), tuple)
