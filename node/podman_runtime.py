"""`Runtime` over Podman's API: what to ask for, and how its answers are read.

- A look is one list of containers and, for each wanted image not yet seen, one question
  whether it is here. The hot path of a deploy is create and start, nothing between.
- Images are created from by ID, so whoever moves a name on this device changes nothing.
- A container whose monitor died can be removed only at the second try (Podman 4.3:
  the first finds out that it is not running); see docs/adr/0009-crash-repair.md.

Calls block in podman-py; each runs in a thread of its own.
"""

import io
import tarfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import msgspec

from edge.errors import ConfigError, RuntimeFailure, TrustError
from edge.model import MIB, Image, PlatformImage, Port, Protocol
from node import container_spec, owner, processes, threads
from node.container_spec import Host
from node.owner import Owner
from node.podman_api import NOT_FOUND, Answer, PodmanApi, Request
from node.replica import Container, Replica, Sighting

PULL_AFTER = 600.0
"""Seconds of silence in a pull; Podman says nothing while a large layer is on its way
over a slow uplink."""
STOP_MARGIN = 30.0
"""Seconds beyond its stop timeout that Podman gets to stop a container."""
STOP_MAX = 3600.0 + STOP_MARGIN  # `Workload.stop_after` allows an hour
LOG_AFTER = 5.0
"""Seconds of silence in a log: a version is not given up for want of it."""
FRAME = 8
"""Bytes before each piece of a log: its stream, three of nothing, its length."""
ACCOUNTS_MAX = 1 * MIB  # bytes of /etc/passwd or /etc/group; directories are not there
SHA256 = "sha256:"


class _Listed(msgspec.Struct, frozen=True):
    """What we read of one entry of Podman's list of containers."""

    id: str = msgspec.field(name="Id")
    names: tuple[str, ...] | None = msgspec.field(name="Names", default=())
    labels: dict[str, str] | None = msgspec.field(name="Labels", default=None)
    state: str = msgspec.field(name="State", default="")
    pid: int = msgspec.field(name="Pid", default=0)
    exit_code: int = msgspec.field(name="ExitCode", default=0)
    started_at: int = msgspec.field(name="StartedAt", default=0)
    image_id: str = msgspec.field(name="ImageID", default="")
    ports: tuple[dict[str, Any], ...] | None = msgspec.field(name="Ports", default=())


class PodmanRuntime:
    """Podman behind one socket, for one node of one fleet."""

    def __init__(self, url: str, host: Host) -> None:
        """Remember where; nothing is connected or imported before the first call."""
        self._api = PodmanApi(url)
        self._host = host
        self._seen_images: set[str] = set()
        self._running_commands: dict[str, str] = {}

    async def load(self) -> None:
        """Import what the first call needs, off the loop; harmless to leave out."""
        await threads.call(self._api.load)

    async def observe(self, images: Iterable[str]) -> Sighting:
        """Return our containers, and which of these image IDs are here."""
        return await threads.call(self._observe, tuple(sorted(images)))

    async def pull(self, image: Image, platform: PlatformImage) -> None:
        """Fetch an image by its digest; refuse and remove what was not signed."""
        await threads.call(self._pull, image, platform)

    async def create(self, replica: Replica) -> tuple[str, ...]:
        """Create a replica's container; return what Podman warned of."""
        spec = container_spec.render(replica, self._host)
        return await threads.call(self._create, spec)

    async def start(self, container: str) -> None:
        """Start a container; its own counter of repairs starts again with it."""
        await self._call(Request("POST", f"/containers/{container}/start"))

    async def stop(self, container: str, *, is_immediate: bool) -> None:
        """Stop a container by its own signal and timeout, or by SIGKILL."""
        query = {"timeout": "0"} if is_immediate else {}
        path = f"/containers/{container}/stop"
        request = Request("POST", path, query=query, within=STOP_MAX)
        await self._call(request, missing_is_fine=True)

    async def remove(self, container: str) -> None:
        """Remove a container and its anonymous volumes, whatever state it is in."""
        query = {"force": "true", "timeout": "0", "v": "true"}
        request = Request("DELETE", f"/containers/{container}", query=query)
        try:
            await self._call(request, missing_is_fine=True)
        except RuntimeFailure:
            # The first try told Podman that the process is gone; the second removes.
            await self._call(request, missing_is_fine=True)

    async def owner(self, container: str) -> Owner:
        """Return the user and group of a container's process, running or not."""
        return await threads.call(self._owner, container)

    async def address(self, container: str) -> str:
        """Return a running container's IP address, "" if it has none."""
        answer = await self._call(Request("GET", f"/containers/{container}/json"))
        settings = answer.json().get("NetworkSettings") or {}
        networks = (settings.get("Networks") or {}).values()
        found = [each.get("IPAddress") for each in networks]
        return str(settings.get("IPAddress") or next(filter(None, found), ""))

    async def identify(self, container: str) -> tuple[str, Path]:
        """Return a container's full ID, and the file that names its first process."""
        answer = await self._call(Request("GET", f"/containers/{container}/json"))
        shown = answer.json()
        return str(shown["Id"]), Path(shown["PidFile"])

    async def execute(
        self, container: str, command: Iterable[str], *, within: float
    ) -> int:
        """Run a command in a container and return its exit code.

        One that is still running blocks the next: it cannot be killed through the API,
        and a pile of them would be the workload's end.
        """
        await self._check_finished(container)
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        made = await self._call(
            Request("POST", f"/containers/{container}/exec", body=body)
        )
        session = str(made.json()["Id"])
        self._running_commands[container] = session
        await self._call(
            Request("POST", f"/exec/{session}/start", body={}, within=within)
        )
        ended = await self._call(Request("GET", f"/exec/{session}/json"))
        del self._running_commands[container]
        return int(ended.json()["ExitCode"])

    async def log(self, container: str, *, lines: int) -> bytes:
        """Return the last lines a container wrote, running or not."""
        query = {"stdout": "true", "stderr": "true", "tail": str(lines)}
        path = f"/containers/{container}/logs"
        answer = await self._call(Request("GET", path, query, within=LOG_AFTER))
        return _unframed(answer.body)

    async def has_image(self, image_id: str) -> bool:
        """Return whether an image is here at this moment, whoever brought it."""
        request = Request("GET", f"/images/{_bare(image_id)}/exists")
        answer = await self._call(request, missing_is_fine=True)
        return answer.status != NOT_FOUND

    async def discard(self, image_id: str, repositories: Collection[str]) -> bool:
        """Remove an image if it has no names but ours; never by force."""
        return await threads.call(self._discard, image_id, frozenset(repositories))

    async def store(self) -> Path:
        """Return the folder images are kept in."""
        answer = await self._call(Request("GET", "/info"))
        return Path(answer.json()["store"]["graphRoot"])

    async def _call(self, request: Request, *, missing_is_fine: bool = False) -> Answer:
        return await threads.call(
            self._api.call, request, missing_is_fine=missing_is_fine
        )

    def _observe(self, images: tuple[str, ...]) -> Sighting:
        answer = self._api.call(Request("GET", "/containers/json", {"all": "true"}))
        listed = _decode(answer, list[_Listed])
        ours = [each for entry in listed if (each := self._container(entry))]
        here = frozenset(image for image in images if self._has_image(image))
        return Sighting(
            containers=tuple(ours),
            images=here,
            used=frozenset(_with_prefix(entry.image_id) for entry in listed),
            foreign=len(listed) - len(ours),
        )

    def _container(self, entry: _Listed) -> Container | None:
        identity = container_spec.read_labels(entry.labels, self._host.fleet)
        if identity is None:
            return None
        return Container(
            id=entry.id,
            name=(entry.names or ("",))[0],
            slot=identity.slot,
            deployment=identity.deployment,
            workload=identity.workload,
            version=identity.version,
            term=identity.term,
            spec=identity.spec,
            image_id=_with_prefix(entry.image_id),
            state=entry.state,
            pid=entry.pid,
            is_alive=processes.is_alive(entry.pid, entry.id),
            exit_code=entry.exit_code,
            started_at=entry.started_at,
            repair_pending=self._is_repair_pending(entry),
            ports=tuple(_ports(entry.ports or ())),
        )

    def _is_repair_pending(self, entry: _Listed) -> bool:
        """Return whether Podman's restart policy has a try left for this end.

        Only asked of a container that just failed: the list does not say it.
        """
        if entry.state not in {"exited", "stopped"} or entry.exit_code == 0:
            return False
        request = Request("GET", f"/containers/{entry.id}/json")
        answer = self._api.call(request, missing_is_fine=True)
        if answer.status == NOT_FOUND:
            return False
        shown = answer.json()
        policy = shown["HostConfig"]["RestartPolicy"]
        tries = policy["MaximumRetryCount"] if policy["Name"] == "on-failure" else 0
        return bool(shown["RestartCount"] < tries)

    def _has_image(self, image_id: str) -> bool:
        if image_id in self._seen_images:
            return True
        path = f"/images/{_bare(image_id)}/exists"
        answer = self._api.call(Request("GET", path), missing_is_fine=True)
        if answer.status != NOT_FOUND:
            self._seen_images.add(image_id)
        return image_id in self._seen_images

    def _pull(self, image: Image, platform: PlatformImage) -> None:
        query = {"reference": image.pinned, "quiet": "true"}
        answer = self._api.call(
            Request("POST", "/images/pull", query=query, within=PULL_AFTER)
        )
        # A pull that fails halfway is still a 200: the last line tells.
        lines = answer.body.splitlines()
        last = Answer(answer.status, lines[-1] if lines else b"{}").json()
        if last.get("error"):
            raise RuntimeFailure(f"cannot pull {image.pinned}: {last['error']}")
        self._check_image(image, platform)
        self._seen_images.add(platform.image_id)

    def _check_image(self, image: Image, platform: PlatformImage) -> None:
        path = f"/images/{quote(image.pinned, safe='/:@')}"
        shown = self._api.call(Request("GET", f"{path}/json")).json()
        digests = {shown.get("Digest"), *map(_digest, shown.get("RepoDigests") or ())}
        image_id = _with_prefix(str(shown["Id"]))
        if image_id == platform.image_id and platform.manifest in digests:
            return
        self._api.call(Request("DELETE", path), missing_is_fine=True)
        problem = f"cannot use {image.pinned}: it came as image {image_id}, and "
        problem += f"{platform.image_id} was signed for {platform.architecture}"
        raise TrustError("image-differs", problem)

    def _discard(self, image_id: str, repositories: frozenset[str]) -> bool:
        """Take an image's names away but for one, then remove it by its ID.

        Podman itself refuses by ID what has a second name by then, and what a
        container uses.
        """
        names = self._names(image_id)
        if not {_repository(each) for each in names} <= repositories:
            return False
        self._seen_images.discard(image_id)
        for path in (*map(quote, names[1:]), _bare(image_id)):
            request = Request("DELETE", f"/images/{path}")
            self._api.call(request, missing_is_fine=True)
        return True

    def _names(self, image_id: str) -> list[str]:
        """Return the names of an image: ``registry/name:tag``, or with its digest."""
        filters = msgspec.json.encode({"id": [_bare(image_id)]}).decode()
        request = Request("GET", "/images/json", query={"filters": filters})
        listed = self._api.call(request).json()
        return sorted(name for each in listed or () for name in each.get("Names") or ())

    def _create(self, spec: Mapping[str, Any]) -> tuple[str, ...]:
        request = Request("POST", "/containers/create", body=spec)
        try:
            answer = self._api.call(request)
        except RuntimeFailure:
            # Its image may be gone: the next look asks instead of remembering.
            self._seen_images.discard(f"{SHA256}{spec['image']}")
            raise
        return tuple(str(each) for each in answer.json().get("Warnings") or ())

    def _owner(self, container: str) -> Owner:
        answer = self._api.call(Request("GET", f"/containers/{container}/json"))
        user = str(answer.json()["Config"].get("User") or "")
        if owner.is_plain(user):
            return owner.resolve(user, "", "")
        passwd = self._account_file(container, "/etc/passwd")
        group = self._account_file(container, "/etc/group")
        return owner.resolve(user, passwd, group)

    def _account_file(self, container: str, path: str) -> str:
        """Return a small text file of a container, "" if it has none."""
        request = Request("GET", f"/containers/{container}/archive", {"path": path})
        answer = self._api.call(request, missing_is_fine=True)
        return "" if answer.status == NOT_FOUND else _only_file(answer.body)

    async def _check_finished(self, container: str) -> None:
        session = self._running_commands.get(container)
        if session is None:
            return
        answer = await self._call(
            Request("GET", f"/exec/{session}/json"), missing_is_fine=True
        )
        if answer.status != NOT_FOUND and answer.json()["Running"]:
            problem = "cannot run the health command: the one before has not ended"
            raise RuntimeFailure(problem)


def _decode(answer: Answer, shape: type[list[_Listed]]) -> list[_Listed]:
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except msgspec.MsgspecError as error:
        raise RuntimeFailure(f"cannot read Podman's list: {error}") from error


def _ports(entries: Iterable[Mapping[str, Any]]) -> Iterable[Port]:
    for entry in entries:
        # One entry may stand for a range of consecutive ports.
        for offset in range(int(entry.get("range") or 1)):
            yield Port(
                host=int(entry["host_port"]) + offset,
                container=int(entry["container_port"]) + offset,
                protocol=cast(Protocol, entry["protocol"]),  # Podman's words are ours
                address=str(entry.get("host_ip") or ""),
            )


def _unframed(body: bytes) -> bytes:
    """Return a log without what says which stream each piece of it is of."""
    pieces, at = [], 0
    while len(body) >= at + FRAME:
        end = at + FRAME + int.from_bytes(body[at + 4 : at + FRAME], "big")
        pieces.append(body[at + FRAME : end])
        at = end
    return b"".join(pieces)


def _only_file(archive: bytes) -> str:
    """Return the text of the one file in a tar archive."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None and member.size <= ACCOUNTS_MAX:
                    return file.read().decode("utf-8", "replace")
    except tarfile.TarError as error:
        raise RuntimeFailure(f"cannot read a file of an image: {error}") from error
    raise ConfigError("cannot find out whose secrets these are: no readable passwd")


def _with_prefix(image_id: str) -> str:
    return image_id if image_id.startswith(SHA256) else f"{SHA256}{image_id}"


def _bare(image_id: str) -> str:
    """Return an image ID as paths of the API spell it."""
    return image_id.removeprefix(SHA256)


def _repository(reference: str) -> str:
    """Return what is before the digest in ``registry/name@sha256:…``."""
    return reference.partition("@")[0]


def _digest(reference: str) -> str:
    """Return the digest in ``registry/name@sha256:…``."""
    return reference.rpartition("@")[2]
