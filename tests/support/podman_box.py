"""One device for tests: a Podman store and its API socket in a namespace of its own.

The socket is activated on demand, as systemd's ``podman.socket`` would: a thread waits
for a connection, starts ``podman system service --time=5`` with the listening socket,
and waits again when the service has left. Everything is below one folder; `close`
ends the containers, the service, the mounts and the namespace.
"""

import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

CLONE_NEWNET = 0x40000000  # linux/sched.h
IDLE_AFTER = 5  # seconds; what the systemd unit and the lab use too
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
lock_type = "file"
events_logger = "file"
exit_command_delay = 1
init_path = "/usr/bin/catatonit"
[engine.runtimes]
runc = ["{runc}"]
[network]
network_backend = "netavark"
"""
# conmon's clean-up does not hand on --runtime-flag, so runc's own state folder would be
# shared by all stores; a wrapper is the one way that reaches every caller.
RUNC = """#!/bin/sh
exec /usr/sbin/runc --root={root} "$@"
"""
REGISTRY = "127.0.0.1:5000"
REGISTRIES_CONF = f"""
[[registry]]
location = "{REGISTRY}"
insecure = true
"""
REGISTRY_CONFIG = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}
http: {{addr: "127.0.0.1:5000"}}
"""
PASSWD = "root:x:0:0:root:/:/bin/sh\nweb:x:1234:2345:web:/:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:2345:\n"
# httpd has to be somebody's child: as process 1 it would ignore SIGTERM.
SERVE = (
    "mkdir -p /tmp/www; hostname > /tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www"
)


class PodmanBox:
    """A device: its folder, its namespace, its Podman socket."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make the namespace and the socket; start nothing else yet."""
        self.folder = folder
        self.name = name
        self.socket_path = folder / "podman.sock"
        self.url = f"unix://{self.socket_path}"
        self._configure()
        run("ip", "netns", "add", name)
        self.run_inside("ip", "link", "set", "lo", "up")
        # A socket belongs to the namespace of the thread that made it.
        self._inside = ThreadPoolExecutor(1, initializer=self._enter)
        self._stopping = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket_path))
        self._listener.listen(16)
        self._service: subprocess.Popen[bytes] | None = None
        self._registry: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._activate, daemon=True)
        self._thread.start()

    @property
    def is_serving(self) -> bool:
        """Return whether the API service runs at this moment."""
        return self._service is not None and self._service.poll() is None

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment Podman runs with here."""
        conf = str(self.folder / "containers.conf")
        return {
            **os.environ,
            "CONTAINERS_CONF": conf,
            "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
            "TMPDIR": str(self.folder),
        }

    def command(self, *words: str) -> list[str]:
        """Return the command line of Podman in this box."""
        stores = [
            f"--root={self.folder}/root",
            f"--runroot={self.folder}/run",
            f"--tmpdir={self.folder}/tmp",
        ]
        inside = ["nsenter", f"--net=/run/netns/{self.name}", "--"]
        return [*inside, "podman", *stores, *words]

    def podman(self, *words: str) -> str:
        """Run Podman's own command line here; return what it printed."""
        return run(*self.command(*words), env=self.environment)

    def run_inside(self, *words: str) -> str:
        """Run a program in the box's network namespace."""
        return run("nsenter", f"--net=/run/netns/{self.name}", "--", *words)

    def make_image(self, name: str, *changes: str) -> str:
        """Import a busybox root file system as ``name``; return the image ID."""
        archive = self.folder / "rootfs.tar"
        if not archive.exists():
            _pack_root(self.folder / "rootfs", archive)
        words = [word for change in changes for word in ("--change", change)]
        return self.podman("import", "-q", *words, str(archive), name).strip()

    def start_registry(self) -> str:
        """Start a real registry inside the box; return the name images begin with.

        One for all who ask: a second would find the port taken.
        """
        if self._registry is not None:
            return REGISTRY
        config = self.folder / "registry.yml"
        config.write_text(REGISTRY_CONFIG.format(folder=self.folder))
        command = ["nsenter", f"--net=/run/netns/{self.name}", "--", "docker-registry"]
        with (self.folder / "registry.log").open("ab") as log:
            self._registry = subprocess.Popen(
                [*command, "serve", str(config)], stdout=log, stderr=log
            )
        while not self.answers(5000, "/v2/"):
            assert self._registry.poll() is None, "the registry did not start"
            time.sleep(0.02)
        return REGISTRY

    def answers(self, port: int, path: str = "/") -> bool:
        """Return whether a web server on the box's loopback answers 200."""
        client = self._inside.submit(socket.socket).result()
        with client, suppress(OSError):
            client.settimeout(1.0)
            client.connect(("127.0.0.1", port))
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return b" 200 " in client.recv(64)
        return False

    def close(self) -> None:
        """Remove every container, process, mount and folder of this box."""
        self._stopping.set()
        with suppress(AssertionError):
            self.podman("rm", "--all", "--force", "--time=0")
        if self._service is not None:
            self._service.terminate()
        if self._registry is not None:
            self._registry.terminate()
            self._registry.wait(timeout=10)
        self._thread.join(timeout=10)
        self._inside.shutdown()
        self._listener.close()
        for pid in _processes_of(self.folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for mount in sorted(_mounts_below(self.folder), reverse=True):
            run("umount", "--lazy", mount)
        run("ip", "netns", "delete", self.name)
        shutil.rmtree(self.folder)

    def _enter(self) -> None:
        namespace = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        failed = ctypes.CDLL(None).setns(namespace, CLONE_NEWNET)
        os.close(namespace)
        assert not failed, "cannot enter the namespace"

    def _configure(self) -> None:
        runc = self.folder / "runc"
        runc.write_text(RUNC.format(root=self.folder / "runc-state"))
        runc.chmod(0o755)
        conf = self.folder / "containers.conf"
        conf.write_text(CONTAINERS_CONF.format(runc=runc))
        (self.folder / "registries.conf").write_text(REGISTRIES_CONF)

    def _activate(self) -> None:
        while not self._stopping.is_set():
            readable, _, _ = select.select([self._listener], [], [], 0.2)
            if readable and not self._stopping.is_set():
                self._serve()

    def _serve(self) -> None:
        command = self.command("system", "service", f"--time={IDLE_AFTER}")
        listener = self._listener.fileno()
        # LISTEN_PID must be the service's own: the shell sets it, then becomes it.
        script = f'exec 3<&{listener}; LISTEN_PID=$$ exec "$@"'
        with (self.folder / "service.log").open("ab") as log:
            self._service = subprocess.Popen(
                ["bash", "-c", script, "service", *command],
                env={**self.environment, "LISTEN_FDS": "1"},
                pass_fds=(listener,),
                stderr=log,
                stdout=log,
            )
            self._service.wait()


@contextmanager
def podman_box(name: str) -> Iterator[PodmanBox]:
    """Yield a device called ``name`` (at most 12 characters) and remove it after."""
    box = PodmanBox(Path(tempfile.mkdtemp(prefix=f"{name}-")), name)
    try:
        yield box
    finally:
        box.close()


def run(
    *words: str, env: dict[str, str] | None = None, ok: tuple[int, ...] = ()
) -> str:
    """Run a program; return its standard output, fail with what it complained.

    ``ok`` are exit codes beside 0 that are answers, not failures.
    """
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in {0, *ok}:
        raise AssertionError(f"{' '.join(words)}: {done.stderr}{done.stdout}")
    return done.stdout


def _pack_root(root: Path, archive: Path) -> None:
    for folder in ("bin", "etc", "tmp", "run", "var", "proc", "sys", "dev"):
        (root / folder).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", root / "bin/busybox")
    run("/usr/bin/busybox", "--install", "-s", str(root / "bin"))
    for link in (root / "bin").iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to("busybox")
    (root / "www").mkdir()
    (root / "www/index.html").write_text("hello")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    with tarfile.open(archive, "w") as tar:
        tar.add(root, arcname=".")


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1] for line in lines]
    return [point for point in points if point.startswith(f"{folder}/")]


def _processes_of(folder: Path) -> list[int]:
    """Return processes whose command line names the folder: conmon and its kind."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            is_ours = str(folder).encode() in (entry / "cmdline").read_bytes()
            if entry.name.isdigit() and int(entry.name) != os.getpid() and is_ours:
                found.append(int(entry.name))
    return found
