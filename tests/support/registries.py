"""A real registry on loopback, and images pushed to it piece by piece.

The images hold nothing that runs: they are for resolving, not for starting.
"""

import hashlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PATIENCE = 10.0


def digest(content: bytes) -> str:
    """Return what a registry calls these bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a test compares an answer with."""

    digest: str
    image_id: str


@dataclass(slots=True)
class Registry:
    """One registry that runs; ``process`` is how a test has it go down."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]

    def image(self, repository: str, tag: str, architecture: str = "amd64") -> Pushed:
        """Push an image of one architecture."""
        config = json.dumps({"architecture": architecture, "os": "linux"}).encode()
        layer = f"{repository} {tag} {architecture}".encode()
        self._blob(repository, config)
        self._blob(repository, layer)
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, config),
                "layers": [_descriptor(LAYER, layer)],
            }
        ).encode()
        self._manifest(repository, tag, MANIFEST, body)
        return Pushed(digest=digest(body), image_id=digest(config))

    def index(self, repository: str, tag: str, *platforms: str) -> dict[str, Pushed]:
        """Push an index; ``arm/v7`` has a variant. The index itself is under ""."""
        found: dict[str, Pushed] = {}
        entries: list[dict[str, Any]] = []
        for platform in platforms:
            architecture, _, variant = platform.partition("/")
            name = f"{tag}-{platform.replace('/', '-')}"
            pushed = self.image(repository, name, architecture)
            found[platform] = pushed
            described = {"architecture": architecture, "os": "linux"}
            described |= {"variant": variant} if variant else {}
            entries.append(
                {
                    "mediaType": MANIFEST,
                    "digest": pushed.digest,
                    "size": self._size(repository, pushed.digest),
                    "platform": described,
                }
            )
        body = json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        ).encode()
        self._manifest(repository, tag, INDEX, body)
        return {**found, "": Pushed(digest=digest(body), image_id="")}

    def stop(self) -> None:
        """End it; a second time is fine."""
        self.process.terminate()
        self.process.wait(PATIENCE)

    def _blob(self, repository: str, content: bytes) -> None:
        started = self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"")
        location = started.headers["Location"]
        joint = "&" if "?" in location else "?"
        self._ask("PUT", f"{location}{joint}digest={digest(content)}", content)

    def _manifest(self, repository: str, tag: str, kind: str, body: bytes) -> None:
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", body, kind)

    def _size(self, repository: str, wanted: str) -> int:
        path = f"/v2/{repository}/manifests/{wanted}"
        return int(self._ask("HEAD", path, None).headers["Content-Length"])

    def _ask(self, method: str, place: str, body: bytes | None, kind: str = "") -> Any:
        url = place if place.startswith("http") else f"http://{self.name}{place}"
        headers = {"Content-Type": kind or "application/octet-stream"}
        headers["Accept"] = f"{MANIFEST}, {INDEX}"
        assert url.startswith(f"http://{self.name}/")
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
        return urllib.request.urlopen(request, timeout=PATIENCE)  # noqa: S310


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Run Debian's docker-registry on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"127.0.0.1:{port}"
    config = folder / "registry.json"
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "content")}},
        "http": {"addr": name},
    }
    config.write_text(json.dumps(settings))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL
    )
    found = Registry(name=name, folder=folder, process=process)
    try:
        _wait(name)
        yield found
    finally:
        found.stop()


def _wait(name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"http://{name}/v2/", timeout=PATIENCE).close()
        except urllib.error.URLError:
            assert time.monotonic() < deadline, f"no registry at {name}"
            time.sleep(0.02)
        else:
            return


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}
