"""What tests of the node's hands share: one real Podman, in a namespace of its own."""

import os
from collections.abc import Iterator

import pytest

from edge.model import Image
from tests.support.podman_box import PodmanBox, podman_box
from tests.support.podman_device import SERVE, Device, device_on, signed, words


@pytest.fixture(scope="session")
def box() -> Iterator[PodmanBox]:
    """One Podman for all who ask; each test removes its own containers."""
    with podman_box(f"tutti-{os.getpid()}") as box:
        yield box


@pytest.fixture(scope="session")
def web(box) -> Image:
    """An image of busybox that serves /www, as an operator would sign it."""
    return signed(box.make_image("localhost/web:1", "CMD " + words(SERVE)))


@pytest.fixture
def device(box) -> Iterator[Device]:
    """A node's hands on the box."""
    with device_on(box) as device:
        yield device
