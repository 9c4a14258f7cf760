"""Image names say their registry, and are taken apart in one way."""

import pytest

from edge.manifest import references
from edge.manifest.references import Reference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10.90.0.1:5000/web:1", ("10.90.0.1:5000", "web", "1", "")),
        (f"ghcr.io/a/b@{DIGEST}", ("ghcr.io", "a/b", "", DIGEST)),
        (f"ghcr.io/a/b:1@{DIGEST}", ("ghcr.io", "a/b", "1", DIGEST)),
        ("localhost/web", ("localhost", "web", "latest", "")),
        ("[::1]:5000/web:x.y-z", ("[::1]:5000", "web", "x.y-z", "")),
    ],
)
def test_a_reference_is_taken_apart(text: str, parts: tuple[str, ...]) -> None:
    """Registry, repository, tag, digest; no tag and no digest is ``latest``."""
    registry, repository, tag, digest = parts
    assert references.reference(text) == Reference(
        registry=registry, repository=repository, tag=tag, digest=digest
    )


@pytest.mark.parametrize("text", ["web:1", "library/web", f"web@{DIGEST}", ""])
def test_a_reference_without_registry_is_refused(text: str) -> None:
    """Whoever owned the default registry would choose what runs."""
    with pytest.raises(ValueError, match="does not say which registry"):
        references.reference(text)


@pytest.mark.parametrize(
    "text",
    ["h:5000/Web:1", "h:5000/web:", "h:5000/", "h:5000/web@sha256:12", "h:5000/a//b",
     "https://h:5000/web", "h:5000/web:1\n"],
)  # fmt: skip
def test_a_malformed_reference_is_refused(text: str) -> None:
    """The answer shows the form."""
    with pytest.raises(ValueError, match="registry/name:tag"):
        references.reference(text)


def test_the_name_has_neither_tag_nor_digest() -> None:
    """It is what `edge.model.Image.reference` holds."""
    assert references.reference("h:5000/a/web:1").name == "h:5000/a/web"
