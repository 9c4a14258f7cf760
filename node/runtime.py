"""What a node asks of whatever runs its containers.

One call is one effect. Every method raises `Unreachable` when nobody answers and
`RuntimeFailure` when the runtime could not do it this time; further errors are named.
Containers are addressed by ID, or by name where they were just created.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from edge.model import Image, PlatformImage
from node.owner import Owner
from node.replica import Replica, Sighting


class Runtime(Protocol):
    """The hands: Podman in life, a model of it in tests."""

    async def observe(self, images: Iterable[str]) -> Sighting:
        """Return our containers, and which of these image IDs are here."""

    async def pull(self, image: Image, platform: PlatformImage) -> None:
        """Fetch an image and check it.

        Raises `TrustError` with reason ``image-differs`` if what came is not what was
        signed; it is then removed again.
        """

    async def create(self, replica: Replica) -> tuple[str, ...]:
        """Create a replica's container; return what the runtime could not grant.

        Raises `ConfigError` for what no container can be made of.
        """

    async def start(self, container: str) -> None:
        """Start a container; one that runs already is left as it is."""

    async def stop(self, container: str, *, is_immediate: bool) -> None:
        """Stop a container, by SIGKILL if ``is_immediate``; if it is gone, fine."""

    async def remove(self, container: str) -> None:
        """Remove a container, killing it if need be; one that is gone is fine."""

    async def owner(self, container: str) -> Owner:
        """Return the user and group a container's process runs as.

        Raises `ConfigError` when its user is in no /etc/passwd.
        """

    async def address(self, container: str) -> str:
        """Return the IP address a running container is reached at, "" for none."""

    async def execute(
        self, container: str, command: Iterable[str], *, within: float
    ) -> int:
        """Run a command in a container; return its exit code.

        After ``within`` seconds it is given up, and raises `RuntimeFailure`.
        """

    async def log(self, container: str, *, lines: int) -> bytes:
        """Return the last lines a container wrote, on both streams."""

    async def has_image(self, image_id: str) -> bool:
        """Return whether an image is here at this moment."""

    async def discard(self, image_id: str, repositories: Collection[str]) -> bool:
        """Remove an image, never by force; return whether it is gone.

        One that carries a tag, or a name outside of these repositories, stays; one that
        a container was made from raises `RuntimeFailure`.
        """

    async def store(self) -> Path:
        """Return the folder images are kept in."""
