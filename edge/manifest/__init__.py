"""What a person writes, read strictly: TOML text to a manifest, or one clear error.

Promises: nothing is guessed (an unknown key, a missing unit or a contradiction is a
`ManifestError` with file, line and path), defaults are the hardened ones, and whatever
`parse` and `resolve` return can be signed. Fetching digests is the caller's part.
"""

from edge.manifest.drafts import (
    Draft,
    Manifest,
    RolloutDraft,
    WaveDraft,
    image_error,
    images,
    port_error,
    resolve,
)
from edge.manifest.reading import parse
from edge.manifest.references import Reference, reference
from edge.manifest.remarks import notes, weakenings

__all__ = [
    "Draft",
    "Manifest",
    "Reference",
    "RolloutDraft",
    "WaveDraft",
    "image_error",
    "images",
    "notes",
    "parse",
    "port_error",
    "reference",
    "resolve",
    "weakenings",
]
