"""Build an image from a folder and push it to the lab's registry.

An image is three kinds of blob (OCI image specification 1.0): layers, which are
gzipped tar archives, a configuration, and a manifest that names both by digest. They
are written and pushed here directly: no store of anyone's is touched, and the same
folder gives the same digest on every machine and in every lab. Times are left out.
"""

import gzip
import hashlib
import http.client
import json
import platform
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from edge.errors import LabError
from edge.lab import programs
from edge.lab.layout import REGISTRY_PORT, LabLayout

PART = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
REPOSITORY = re.compile(rf"{PART}(?:/{PART})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DEFAULT_TAG = "latest"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# The names that Go, and so every registry, has for this machine's processor.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
CHUNK = 1 << 20
TIMEOUT = 60.0
FOUND, CREATED = 200, 201
# One order, one owner notation, no times: the archive depends on the content alone.
ARCHIVE = (
    *("tar", "--create", "--sort=name", "--mtime=@0", "--numeric-owner"),
    *("--format=posix", "--xattrs", "--xattrs-include=*"),
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
)
# A root file system of some gigabytes on a slow disk.
ARCHIVE_WITHIN = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How an image's containers start.

    ``command`` is the default process, ``user`` a name or uid (empty: root), ``port``
    the one it listens on (0: none), ``stop_signal`` such as ``SIGTERM``.
    """

    command: tuple[str, ...] = ("/init",)
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    port: int = 0
    stop_signal: str = "SIGTERM"


class Layer(NamedTuple):
    """One archive, compressed in ``path``.

    ``digest`` is of the compressed bytes, ``content`` of the bytes before that.
    """

    path: Path
    size: int
    digest: str
    content: str


def build(lab: LabLayout, folder: Path, name: str, settings: Settings) -> str:
    """Make ``folder`` an image called ``name`` (``web`` or ``web:1``), and push it.

    Returns the reference with the manifest's digest: ``10.90.0.1:5000/web@sha256:…``.

    Raises:
        LabError: the name or the folder cannot be used, or the registry is away.
    """
    with workspace(lab) as scratch:
        return push(lab, (layer(folder, scratch / "layer"),), name, settings)


def layer(folder: Path, path: Path) -> Layer:
    """Archive ``folder``, with its owners and modes, into the new file ``path``."""
    if not folder.is_dir():
        raise LabError(f"cannot build an image from {folder}: it is not a folder")
    archive = path.with_suffix(".tar")
    argv = (*ARCHIVE, f"--file={archive}", f"--directory={folder}", ".")
    programs.call(*argv, within=ARCHIVE_WITHIN)
    try:
        _compress(archive, path)
        digest, content = _file_digest(path), _file_digest(archive)
        archive.unlink()
        return Layer(path, path.stat().st_size, digest, content)
    except OSError as error:
        raise LabError(f"cannot build an image from {folder}: {error}") from error


def push(
    lab: LabLayout, layers: tuple[Layer, ...], name: str, settings: Settings
) -> str:
    """Push an image of these layers, lowest first; return its reference."""
    repository, tag = _split(name)
    config = _json(_config(layers, settings))
    manifest = _json(_manifest(layers, config))
    try:
        with closing(_connect(lab)) as connection:
            for part in layers:
                _push_layer(connection, repository, part)
            _push_blob(connection, repository, _digest(config), config, len(config))
            _put_manifest(connection, f"/v2/{repository}/manifests/{tag}", manifest)
    except (OSError, http.client.HTTPException) as error:
        problem = f"cannot push {name} to {lab.registry}: {error}"
        raise LabError(f"{problem}; is the lab up?") from error
    return f"{lab.registry}/{repository}@{_digest(manifest)}"


@contextmanager
def workspace(lab: LabLayout) -> Iterator[Path]:
    """Lend a folder on the lab's disk for layers on their way."""
    with tempfile.TemporaryDirectory(dir=lab.folder, prefix=".image.") as folder:
        yield Path(folder)


def _split(name: str) -> tuple[str, str]:
    repository, _, tag = name.partition(":")
    tag = tag or DEFAULT_TAG
    if not REPOSITORY.fullmatch(repository) or not TAG.fullmatch(tag):
        rule = "use lower-case letters and digits, then :tag, such as sensor:1"
        raise LabError(f"cannot name an image {name!r}: {rule}")
    return repository, tag


def _config(layers: tuple[Layer, ...], settings: Settings) -> dict[str, object]:
    machine = platform.machine()
    port: dict[str, object] = {}
    if settings.port:
        port = {"ExposedPorts": {f"{settings.port}/tcp": {}}}
    return {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {
            "Cmd": list(settings.command),
            "Env": [f"{key}={value}" for key, value in settings.environment.items()],
            "StopSignal": settings.stop_signal,
            "User": settings.user,
            **port,
        },
        "rootfs": {"type": "layers", "diff_ids": [part.content for part in layers]},
    }


def _manifest(layers: tuple[Layer, ...], config: bytes) -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": CONFIG,
            "size": len(config),
            "digest": _digest(config),
        },
        "layers": [
            {"mediaType": LAYER, "size": part.size, "digest": part.digest}
            for part in layers
        ],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _compress(archive: Path, path: Path) -> None:
    # Without name and time in its header, the same content has the same digest.
    with (
        archive.open("rb") as plain,
        path.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed,
    ):
        shutil.copyfileobj(plain, packed, CHUNK)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _connect(lab: LabLayout) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(lab.host_address, REGISTRY_PORT, timeout=TIMEOUT)


def _push_layer(
    connection: http.client.HTTPConnection, repository: str, part: Layer
) -> None:
    with part.path.open("rb") as file:
        _push_blob(connection, repository, part.digest, file, part.size)


def _push_blob(
    connection: http.client.HTTPConnection,
    repository: str,
    digest: str,
    body: IO[bytes] | bytes,
    size: int,
) -> None:
    """Upload a blob unless the registry has it (OCI distribution 1.0, "push")."""
    blobs = f"/v2/{repository}/blobs"
    if _ask(connection, "HEAD", f"{blobs}/{digest}").status == FOUND:
        return
    begun = _ask(connection, "POST", f"{blobs}/uploads/")
    place = urllib.parse.urlsplit(begun.headers.get("Location", ""))
    target = f"{place.path}?{place.query}&digest={digest}"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    _expect(CREATED, _ask(connection, "PUT", target, body=body, headers=headers))


def _put_manifest(
    connection: http.client.HTTPConnection, target: str, manifest: bytes
) -> None:
    headers = {"Content-Type": MANIFEST}
    answer = _ask(connection, "PUT", target, body=manifest, headers=headers)
    _expect(CREATED, answer)


def _ask(
    connection: http.client.HTTPConnection,
    verb: str,
    target: str,
    *,
    body: IO[bytes] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> http.client.HTTPResponse:
    """Return the answer, read to its end so that the connection can be used again."""
    connection.request(verb, target, body=body, headers=dict(headers or {}))
    answer = connection.getresponse()
    answer.read()
    return answer


def _expect(status: int, answer: http.client.HTTPResponse) -> None:
    if answer.status != status:
        problem = f"the registry answered {answer.status} {answer.reason}"
        raise http.client.HTTPException(problem)
