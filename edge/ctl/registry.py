"""Ask a registry what an image's name stands for, down to the image ID.

OCI distribution API: a manifest, or an index of one for each architecture. Every byte
that becomes part of a signed document is checked against the digest it was asked for;
only the tag itself is the registry's word, and that is what signing pins.
Without TLS only where the context says so, and on this machine itself.
Source: distribution-spec v1.1, image-spec v1.1 (opencontainers), media types of Docker.
"""

import hashlib
import re
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from edge.ctl import web
from edge.ctl.web import Connection, Reply
from edge.errors import EdgeError, ManifestError, TemporaryError, Unreachable, WireError
from edge.manifest import Reference
from edge.model import Image, PlatformImage

OK, UNAUTHORISED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REDIRECTS_MAX = 3
PLATFORMS_MAX = 32
MANIFEST_MAX = 4 * 1024 * 1024  # distribution-spec, "pushing manifests"
INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
MANIFEST_TYPES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
Shape = TypeVar("Shape", bound=msgspec.Struct)
ACCEPT = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SUBJECT = re.compile(r"/(?:manifests|blobs)/")
PARAMETER = re.compile(r'(\w+)="([^"]*)"')
DOCKER_HUB = "docker.io"
DOCKER_HUB_HOST = "registry-1.docker.io"
DOCKER_HUB_FOLDER = "library"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
VARIANTS_MATTER = frozenset({"arm"})
"""Architectures whose variants cannot run each other's programs: arm/v6, arm/v7."""


Resolved = dict[str, Image | ManifestError]
"""What people wrote → the image, or why it cannot be used."""


class _Part(msgspec.Struct, frozen=True):
    """A piece of JSON of a registry; it may say more than we read."""


class _Platform(_Part, frozen=True):
    architecture: str
    os: str = "linux"
    variant: str = ""


class _Descriptor(_Part, frozen=True, rename="camel"):
    digest: str
    media_type: str = ""
    platform: _Platform | None = None


class _Layer(_Part, frozen=True):
    digest: str
    size: int = 0


class _Manifest(_Part, frozen=True, rename="camel"):
    """An index when ``manifests`` is there, an image when ``config`` is."""

    media_type: str = ""
    config: _Descriptor | None = None
    manifests: tuple[_Descriptor, ...] | None = None
    layers: tuple[_Layer, ...] = ()


class _Token(_Part, frozen=True):
    token: str = ""
    access_token: str = ""


@dataclass(slots=True, kw_only=True)
class Registry:
    """One registry, asked over one connection; no credentials of yours are sent."""

    name: str
    insecure: frozenset[str] = frozenset()
    _connection: Connection | None = None
    _tokens: dict[str, str] = field(default_factory=dict)

    def resolve(self, reference: Reference) -> Image:
        """Return the image a reference stands for now.

        Raises `ManifestError` when the registry has no such image, or another than the
        digest says, `TemporaryError` when it cannot be asked.
        """
        repository = _repository(reference)
        body = self._manifest(repository, reference.digest or reference.tag)
        manifest = _read(body, _Manifest)
        if manifest.manifests is not None and manifest.config is not None:
            # CVE-2021-41190: readers would disagree about what it is.
            raise _wrong(reference, "it is an index and an image at once")
        if manifest.manifests is not None:
            platforms = self._platforms(repository, manifest.manifests)
        else:
            platforms = (self._single(repository, body, manifest),)
        if not platforms:
            raise _wrong(reference, "it is for no architecture of Linux")
        return Image(
            reference=f"{self.name}/{repository}",
            digest=_digest(body),
            platforms=platforms,
            tag=reference.tag,
        )

    def layers(self, repository: str, digest: str) -> dict[str, int]:
        """Return digest and compressed size of each layer of one manifest."""
        manifest = _read(self._manifest(repository, digest), _Manifest)
        return {each.digest: max(0, each.size) for each in manifest.layers}

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _platforms(
        self, repository: str, found: Iterable[_Descriptor]
    ) -> tuple[PlatformImage, ...]:
        """Return the image ID of each architecture of an index."""
        images: dict[str, PlatformImage] = {}
        for each in found:
            name = _architecture(each.platform) if each.platform else ""
            if not name or name in images or len(images) == PLATFORMS_MAX:
                continue
            body = self._manifest(repository, each.digest)
            config = _read(body, _Manifest).config
            if config is None or not DIGEST.fullmatch(config.digest):
                raise WireError(f"cannot read {repository}@{each.digest}: no config")
            images[name] = PlatformImage(
                architecture=name, manifest=each.digest, image_id=config.digest
            )
        return tuple(images[name] for name in sorted(images))

    def _single(
        self, repository: str, body: bytes, manifest: _Manifest
    ) -> PlatformImage:
        """Return an image that is not in an index; its config says what it is for."""
        config = manifest.config
        if config is None or not DIGEST.fullmatch(config.digest):
            raise WireError(f"cannot read image {repository}: it has no config")
        blob = self._checked(f"/v2/{repository}/blobs/{config.digest}", config.digest)
        return PlatformImage(
            architecture=_architecture(_read(blob, _Platform)) or "unknown",
            manifest=_digest(body),
            image_id=config.digest,
        )

    def _manifest(self, repository: str, wanted: str) -> bytes:
        path = f"/v2/{repository}/manifests/{quote(wanted, safe=':')}"
        return self._checked(path, wanted if DIGEST.fullmatch(wanted) else "")

    def _checked(self, path: str, digest: str) -> bytes:
        body = self._get(path).body
        if len(body) > MANIFEST_MAX:
            raise WireError(f"cannot read {self.name}{path}: too large")
        if digest and _digest(body) != digest:
            problem = f"cannot use {self.name}{path}: what came has digest"
            raise ManifestError(f"{problem} {_digest(body)}; ask the registry's owner")
        return body

    def _get(self, path: str) -> Reply:
        """Ask once, again with a token, and follow where the registry points."""
        repository = SUBJECT.split(path)[0]
        reply = self._ask(path, repository)
        if reply.status == UNAUTHORISED:
            challenge = reply.headers.get("www-authenticate", "")
            self._tokens[repository] = self._token(challenge)
            reply = self._ask(path, repository)
        for _ in range(REDIRECTS_MAX):
            if reply.status not in REDIRECTS:
                break
            reply = self._elsewhere(reply.headers.get("location", ""))
        if reply.status == OK:
            return reply
        raise self._refused(path, reply)

    def _ask(self, path: str, repository: str) -> Reply:
        if self._connection is None:
            self._connection = self._opened(self._url())
        headers = {"Accept": ACCEPT}
        if token := self._tokens.get(repository):
            headers["Authorization"] = f"Bearer {token}"
        return self._fetch(self._connection, path, headers)

    def _elsewhere(self, location: str) -> Reply:
        """Follow a redirect without the token: blobs often live at another host."""
        parts = urlsplit(location)
        if not parts.netloc:
            problem = f"cannot follow {self.name} to {location[:80]!r}"
            raise WireError(f"{problem}: it names no host")
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        with self._opened(f"{parts.scheme}://{parts.netloc}") as connection:
            return self._fetch(connection, path, {"Accept": ACCEPT})

    def _token(self, challenge: str) -> str:
        """Return an anonymous token from where the registry says (Docker's scheme)."""
        scheme, _, rest = challenge.partition(" ")
        said = dict(PARAMETER.findall(rest))
        parts = urlsplit(said.pop("realm", ""))
        if scheme.lower() != "bearer" or not parts.netloc:
            problem = f"cannot log in at registry {self.name}: edgectl has no account"
            raise ManifestError(f"{problem}; the image must be readable by anyone")
        query = "&".join(f"{key}={quote(said[key])}" for key in sorted(said))
        with self._opened(f"{parts.scheme}://{parts.netloc}") as connection:
            reply = self._fetch(connection, f"{parts.path}?{query}", {})
        answer = _read(reply.body, _Token)
        return answer.token or answer.access_token

    def _fetch(
        self, connection: Connection, path: str, headers: dict[str, str]
    ) -> Reply:
        try:
            return connection.get(path, headers)
        except Unreachable as error:
            problem = f"cannot ask registry {self.name}: {error}"
            raise TemporaryError(f"{problem}; is it up?") from error

    def _opened(self, url: str) -> Connection:
        at = web.address(url)
        if at.scheme == "https":
            return Connection(at, ssl.create_default_context())
        if not self._is_insecure():
            raise WireError(f"cannot ask {url} for {self.name}: not encrypted")
        return Connection(at, None)

    def _url(self) -> str:
        host = DOCKER_HUB_HOST if self.name == DOCKER_HUB else self.name
        return f"http://{host}" if self._is_insecure() else f"https://{host}"

    def _is_insecure(self) -> bool:
        host = urlsplit(f"//{self.name}").hostname
        return self.name in self.insecure or host in LOCAL

    def _refused(self, path: str, reply: Reply) -> ManifestError | TemporaryError:
        image = path.removeprefix("/v2/").replace("/manifests/", ":")
        what = f"cannot find {self.name}/{image.replace(':sha256', '@sha256')}"
        if reply.status == NOT_FOUND:
            return ManifestError(f"{what}: the registry has no such image")
        if reply.status in {UNAUTHORISED, FORBIDDEN}:
            problem = f"{what}: no such image, or it is not public"
            return ManifestError(f"{problem}; edgectl has no account there")
        problem = f"cannot ask registry {self.name}: it answered {reply.status}"
        return TemporaryError(f"{problem}; try again")


class Asking(threading.Thread):
    """Registries asked in the background, while the hub is asked in front."""

    def __init__(
        self, references: Iterable[tuple[str, Reference]], insecure: Iterable[str]
    ) -> None:
        """Begin at once; nobody waits for it when the command ends early."""
        super().__init__(name="registry", daemon=True)
        self._references = tuple(references)
        self._insecure = tuple(insecure)
        self._found: Resolved = {}
        self._trouble: Exception | None = None
        self.start()

    def run(self) -> None:
        """Ask, and keep the answer or the error for `answer`."""
        try:
            self._found = resolve(self._references, self._insecure)
        except Exception as error:  # noqa: BLE001 - `answer` raises it where it counts
            self._trouble = error

    def answer(self) -> Resolved:
        """Wait for the answer; raise what `resolve` raised."""
        self.join()
        if self._trouble is not None:
            raise self._trouble
        return self._found


def resolve(
    references: Iterable[tuple[str, Reference]], insecure: Iterable[str]
) -> Resolved:
    """Return what each written name stands for, or why it cannot be used.

    Raises `TemporaryError` when a registry cannot be asked.
    """
    allowed = frozenset(insecure)
    registries: dict[str, Registry] = {}
    found: Resolved = {}
    try:
        for text, reference in references:
            name = reference.registry
            registry = registries.setdefault(
                name, Registry(name=name, insecure=allowed)
            )
            try:
                found[text] = registry.resolve(reference)
            except ManifestError as error:
                found[text] = error
    finally:
        for registry in registries.values():
            registry.close()
    return found


def layers(
    wanted: Iterable[tuple[str, str]], insecure: Iterable[str]
) -> dict[str, dict[str, int] | None]:
    """Return manifest digest → its layers, for pairs of image reference and digest.

    None where the registry does not say, or cannot be asked: a plan goes on without.
    """
    allowed, silent = frozenset(insecure), set[str]()
    registries: dict[str, Registry] = {}
    found: dict[str, dict[str, int] | None] = {}
    for reference, digest in wanted:
        name, _, repository = reference.partition("/")
        asked = registries.setdefault(name, Registry(name=name, insecure=allowed))
        found[digest] = None
        try:
            if name not in silent:
                found[digest] = asked.layers(repository, digest)
        except TemporaryError:
            silent.add(name)
        except EdgeError:
            continue
    for asked in registries.values():
        asked.close()
    return found


def _repository(reference: Reference) -> str:
    """Return the repository; Docker Hub keeps its own images in a folder."""
    if reference.registry == DOCKER_HUB and "/" not in reference.repository:
        return f"{DOCKER_HUB_FOLDER}/{reference.repository}"
    return reference.repository


def _architecture(platform: _Platform) -> str:
    """Return ``amd64`` or ``arm/v7``; "" for what no Linux device runs."""
    if platform.os != "linux" or platform.architecture in {"", "unknown"}:
        return ""
    if platform.architecture in VARIANTS_MATTER and platform.variant:
        return f"{platform.architecture}/{platform.variant}"
    return platform.architecture


def _read(body: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WireError(f"cannot read the registry's answer: {error}") from error


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _wrong(reference: Reference, problem: str) -> ManifestError:
    return ManifestError(f"cannot run {reference.name}:{reference.tag}: {problem}")
