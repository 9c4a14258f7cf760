"""The bill of materials of an image: SPDX 2.3 as JSON, from lists of what is installed.

Shapes and field names: the SPDX 2.3 specification, and Debian's and PyPI's package URLs
(purl). No clock: the time in it is the build's SOURCE_DATE_EPOCH.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NAMESPACE = "https://spdx.org/spdxdocs"
"""Where SPDX lets documents without a home of their own live."""
ROOT = "SPDXRef-Image"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """One installed package; ``url`` is its purl, ``origin`` what it was built from."""

    name: str
    version: str
    url: str
    origin: str = ""


def debian(listed: str, distribution: str = "debian-12") -> list[Entry]:
    """Return the entries of a list: name=version=arch=source=source version, a line."""
    entries = []
    for line in listed.splitlines():
        name, version, machine, source, source_version = line.split("=")
        url = f"pkg:deb/debian/{name}@{version}?arch={machine}&distro={distribution}"
        origin = f"{source} {source_version}"
        entries.append(Entry(name=name, version=version, url=url, origin=origin))
    return sorted(entries)


def python(lock: str) -> list[Entry]:
    """Return the entries of a requirements file with pins: ``name==version`` a line."""
    pins = (
        line.split()[0].split("==")
        for line in lock.splitlines()
        if "==" in line and line[:1].isalnum()
    )
    return sorted(
        Entry(name=name, version=version, url=f"pkg:pypi/{name}@{version}")
        for name, version in pins
    )


def pinned(entries: Iterable[Entry]) -> str:
    """Return one purl a line: what to compare when two images differ."""
    return "".join(f"{entry.url}\n" for entry in sorted(entries, key=lambda e: e.url))


def write(title: str, version: str, entries: Iterable[Entry], epoch: int) -> str:
    """Return the bill of the image ``title``, whose root has the digest ``version``."""
    listed = list(entries)
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"{title} {version[:12]}"
    digest = hashlib.sha256(pinned(listed).encode() + version.encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"{NAMESPACE}/tutti-{digest}",
        "creationInfo": {"created": created, "creators": ["Tool: edgectl"]},
        "documentDescribes": [ROOT],
        "packages": [_image(title, version), *map(_package, listed)],
        "relationships": [_contains(entry) for entry in listed],
    }
    return json.dumps(document, indent=1) + "\n"


def _image(title: str, version: str) -> dict[str, Any]:
    return {
        "SPDXID": ROOT,
        "name": title,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": version}],
    }


def _package(entry: Entry) -> dict[str, Any]:
    shown = {
        "SPDXID": _reference(entry),
        "name": entry.name,
        "versionInfo": entry.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": entry.url,
            }
        ],
    }
    return shown | (
        {"sourceInfo": f"built from {entry.origin}"} if entry.origin else {}
    )


def _contains(entry: Entry) -> dict[str, str]:
    return {
        "spdxElementId": ROOT,
        "relationshipType": "CONTAINS",
        "relatedSpdxElement": _reference(entry),
    }


def _reference(entry: Entry) -> str:
    """Return an identifier: letters, digits, dots and dashes are all SPDX allows."""
    kind = entry.url.split(":", 1)[1].split("/", 1)[0]
    safe = "".join(c if c.isalnum() or c in ".-" else "-" for c in entry.name)
    return f"SPDXRef-{kind}-{safe}"
