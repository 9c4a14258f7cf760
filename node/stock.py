"""Which images this daemon fetched itself: on disk before each of them is asked for.

What is not in here is not ours to remove. So a file that is damaged or full makes
images stay, nothing worse.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.errors import StoreError
from edge.names import Digest, Short
from node import checked

FILE = "images.json"
IMAGES_MAX = 256
"""Of a device; more are fetched as well, and stay until somebody removes them."""
NAMES_MAX = 8  # names under which one image was fetched
FILE_MAX = 1024 * 1024  # bytes; a full one has about 600 KiB
Names = Annotated[tuple[Short, ...], Meta(max_length=NAMES_MAX)]


class Stock:
    """One small file; what did not change is not written again."""

    def __init__(self, folder: Path) -> None:
        """Keep it in ``folder``; nothing is read yet."""
        self._path = folder / FILE
        self._images: dict[str, tuple[str, ...]] = {}

    def load(self) -> None:
        """Read what was kept; raise `StoreError` when it is damaged, and begin anew."""
        content = checked.read(self._path, at_most=FILE_MAX)
        try:
            kept = msgspec.json.decode(content or b"{}", type=dict[Digest, Names])
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise StoreError(f"cannot use {self._path}: {error}") from error
        self._images = dict(kept)

    @property
    def images(self) -> Mapping[str, tuple[str, ...]]:
        """Return image ID → the repositories it was fetched from."""
        return self._images

    def add(self, image: str, repository: str) -> None:
        """Note an image before it is fetched; raise `StoreError` if it cannot be."""
        names = self._images.get(image, ())
        is_full = image not in self._images and len(self._images) >= IMAGES_MAX
        if is_full or repository in names or len(names) >= NAMES_MAX:
            return
        self._save({**self._images, image: (*names, repository)})

    def drop(self, image: str) -> None:
        """Forget an image: it is gone, or not ours alone; raises `StoreError`."""
        if image in self._images:
            self._save({i: n for i, n in self._images.items() if i != image})

    def _save(self, images: dict[str, tuple[str, ...]]) -> None:
        checked.write(self._path, msgspec.json.encode(images, order="deterministic"))
        self._images = images
