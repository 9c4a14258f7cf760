"""A manifest as a value, and the step from image names to pinned images.

A `Draft` is a workload that lacks one thing: what its image's name stands for. The
caller asks the registry; `resolve` puts the answers in. An unresolved template has an
image that no registry answers to, so signing one by mistake runs nothing.
A `RolloutDraft` lacks the names of the devices in its waves: who signs looks at the
fleet (`edge.ctl.staging`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from edge.errors import ManifestError
from edge.model import Image, Workload
from edge.names import DeploymentName
from edge.staging.shapes import WHOLE, Rollout

UNRESOLVED = Image(reference="", digest=f"sha256:{'0' * 64}", platforms=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One workload of a manifest.

    ``image`` is what the person wrote; ``template`` holds every other field, validated
    (its own image is `UNRESOLVED`); ``line`` is that of ``image`` in the file and
    ``ports_line`` that of its ports, 0 when unknown.
    """

    image: str
    template: Workload
    line: int = field(default=0, compare=False)
    ports_line: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """Return the workload's name."""
        return self.template.name


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveDraft:
    """One wave as written: exactly one of count, share and label."""

    count: int = 0
    """So many devices, those of earlier waves included."""
    share: int = 0
    """Ten-thousandths of all devices, those of earlier waves included."""
    label: tuple[str, str] | None = None
    """Devices that carry it; the key ``site`` is their site."""
    line: int = field(default=0, compare=False)

    @property
    def is_whole(self) -> bool:
        """Return whether it is the whole fleet."""
        return self.share == WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDraft:
    """The ``[rollout]`` of a manifest.

    ``template`` holds every other field, validated; its own waves are the whole fleet
    at once. ``line`` is that of the table, 0 when unknown.
    """

    template: Rollout
    waves: tuple[WaveDraft, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A deployment as written: name, workloads sorted by name, and its rollout."""

    name: DeploymentName
    workloads: tuple[Draft, ...]
    rollout: RolloutDraft | None = None
    file: str = field(default="", compare=False)


def images(manifest: Manifest) -> tuple[str, ...]:
    """Return each image the manifest names, once, sorted."""
    return tuple(sorted({draft.image for draft in manifest.workloads}))


def resolve(manifest: Manifest, images: Mapping[str, Image]) -> tuple[Workload, ...]:
    """Return the workloads with their images pinned.

    ``images`` maps what the person wrote to what the registry answered. Raises
    `ManifestError` for an image that is not in it.
    """
    for draft in manifest.workloads:
        if draft.image not in images:
            problem = f'cannot run "{draft.image}": nobody resolved it to a digest'
            raise image_error(manifest, draft.image, problem)
    return tuple(
        msgspec.structs.replace(draft.template, image=images[draft.image])
        for draft in manifest.workloads
    )


def image_error(manifest: Manifest, image: str, problem: str) -> ManifestError:
    """Return the error that says ``problem`` where the manifest first names ``image``.

    For whoever asks the registry: "no such image" belongs to a line of the file.
    """
    for draft in manifest.workloads:
        if draft.image == image:
            path = f"workload.{draft.name}.image"
            return ManifestError(
                problem, path=path, file=manifest.file, line=draft.line
            )
    return ManifestError(problem, file=manifest.file)


def port_error(manifest: Manifest, workload: str, problem: str) -> ManifestError:
    """Return the error that says ``problem`` where a workload's ports are.

    For whoever knows the version that runs: its ports are in no file.
    """
    found = (each.ports_line for each in manifest.workloads if each.name == workload)
    path, line = f"workload.{workload}.ports", next(found, 0)
    return ManifestError(problem, path=path, file=manifest.file, line=line)
