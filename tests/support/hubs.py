"""A real hub on loopback with its own Mosquitto, and edgectl as a person types it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds for anything real to happen
LOOK_EVERY = 0.02


@dataclass(slots=True)
class Site:
    """A hub, and the home of the operator who uses it."""

    folder: Path
    port: int
    broker_port: int
    process: subprocess.Popen[bytes] | None = None
    extra: dict[str, str] = field(default_factory=dict)
    """More of the environment, for edgectl."""

    @property
    def url(self) -> str:
        """Where the hub is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        """Where edgectl keeps things."""
        return self.folder / "home"

    def edgectl(
        self, *words: str, given: bytes | None = None, code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run edgectl; the exit code must be ``code``."""
        done = subprocess.run(
            [sys.executable, "-m", "edge.ctl.main", *words],
            env={**os.environ, "EDGE_HOME": str(self.home), **self.extra},
            cwd=ROOT,
            input=given or b"",
            capture_output=True,
            timeout=PATIENCE * 3,
            check=False,
            start_new_session=True,  # no terminal: nobody is there to ask
        )
        said = done.stderr.decode(), done.stdout.decode()
        shown = f"edgectl {' '.join(words)}: {done.returncode}\n{said[0]}"
        assert done.returncode == code, shown + said[1]
        assert "Traceback" not in said[0], shown
        return subprocess.CompletedProcess(done.args, code, said[1], said[0])

    def rows(self, *words: str) -> Any:
        """Return what edgectl answers as JSON."""
        return json.loads(self.edgectl(*words, "-o", "json").stdout)

    def init(self) -> str:
        """Make the hub and return its fingerprint and one-time code."""
        listen = f"127.0.0.1:{self.port}"
        broker = f"127.0.0.1:{self.broker_port}"
        words = ("init", "--listen", listen, "--url", self.url, "-o", "json")
        done = self._hub(*words, "--broker-listen", broker)
        out, _ = done.communicate(timeout=PATIENCE)
        return str(json.loads(out)["fingerprint"])

    def start(self) -> None:
        """Run the hub and wait until it answers."""
        self.process = self._hub("run")
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, (self.folder / "hub.log").read_text()
            assert time.monotonic() < deadline, "the hub does not answer"
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(LOOK_EVERY)
            else:
                return

    def stop(self) -> None:
        """End the hub; a second time is fine."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)

    def until(self, fact: str, is_so: Any) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, f"not so: {fact}"
            time.sleep(LOOK_EVERY * 5)

    def _hub(self, *words: str) -> subprocess.Popen[bytes]:
        state = ("--state", str(self.folder / "hub"))
        with (self.folder / "hub.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "hub.cli", *words, *state],
                cwd=ROOT,
                stdout=subprocess.PIPE if words[0] == "init" else log,
                stderr=log,
            )


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Give a hub that runs and belongs to nobody yet, and end it."""
    made = Site(folder=folder, port=free_port(), broker_port=free_port())
    try:
        yield made
    finally:
        made.stop()


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
