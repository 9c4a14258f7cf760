"""From image names to pinned images, and on into a signed document."""

import msgspec
import pytest

from edge import manifest
from edge.errors import ManifestError
from edge.manifest import drafts
from tests.support import builders

TWO = """\
name = "shop"
[workload.till]
image = "h:1/app:1"
[workload.web]
image = "h:1/web:2"
[workload.admin]
image = "h:1/app:1"
"""
SHOP = manifest.parse(TWO, file="shop.toml")
APP = builders.image(reference="h:1/app", tag="1")
WEB = builders.image(reference="h:1/web", tag="2")


def test_each_image_is_asked_for_once() -> None:
    """Sorted, so that two runs ask alike."""
    assert manifest.images(SHOP) == ("h:1/app:1", "h:1/web:2")


def test_resolving_fills_in_the_image_and_nothing_else() -> None:
    """By what the person wrote."""
    found = manifest.resolve(SHOP, {"h:1/app:1": APP, "h:1/web:2": WEB})
    assert [workload.image for workload in found] == [APP, APP, WEB]
    template = SHOP.workloads[0].template
    assert msgspec.structs.replace(found[0], image=drafts.UNRESOLVED) == template


def test_an_image_nobody_resolved_is_an_error() -> None:
    """With the line where the manifest names it."""
    with pytest.raises(ManifestError, match="nobody resolved it") as caught:
        manifest.resolve(SHOP, {"h:1/app:1": APP})
    error = caught.value
    assert (error.path, error.file, error.line) == (
        "workload.web.image",
        "shop.toml",
        5,
    )


def test_an_error_of_the_registry_gets_a_line() -> None:
    """The first workload that names the image."""
    error = manifest.image_error(SHOP, "h:1/app:1", "cannot find it")
    assert str(error) == "shop.toml:7: workload.admin.image: cannot find it"


def test_an_error_about_no_image_of_ours_has_only_the_file() -> None:
    """Nothing is pointed at wrongly."""
    error = manifest.image_error(SHOP, "h:1/other", "cannot find it")
    assert str(error) == "shop.toml: cannot find it"


def test_where_a_manifest_was_read_does_not_count() -> None:
    """Two files with the same content are the same manifest."""
    assert manifest.parse(f"# moved\n{TWO}", file="other.toml") == SHOP


def test_an_error_of_a_port_gets_its_line() -> None:
    """Only who knows the version that runs can find it."""
    text = 'name = "web"\n[workload.web]\nimage = "h:1/web:1"\nports = ["80:80"]\n'
    written = manifest.parse(text, file="web.toml")
    error = manifest.port_error(written, "web", "cannot have it")
    assert str(error) == "web.toml:4: workload.web.ports: cannot have it"
