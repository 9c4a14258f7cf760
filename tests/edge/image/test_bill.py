"""What is in an image can be read beside it, and by other people's programs."""

import json

from edge.image import bill

DEBIAN = """\
zlib1g=1:1.2.13=amd64=zlib=1:1.2.13
base-files=12.4=amd64=base-files=12.4
"""
LOCK = """\
msgspec==0.22.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
cffi==2.1.1 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:cc
"""
ENTRIES = [*bill.debian(DEBIAN), *bill.python(LOCK)]


def test_packages_of_debian_carry_their_source():
    """Who looks for a vulnerable source finds every package built from it."""
    first, second = bill.debian(DEBIAN)
    assert (first.name, second.name) == ("base-files", "zlib1g")
    assert second.origin == "zlib 1:1.2.13"
    assert second.url == "pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64&distro=debian-12"


def test_wheels_are_listed_without_their_hashes():
    """One entry for each pin, conditions left out."""
    assert [e.url for e in bill.python(LOCK)] == [
        "pkg:pypi/cffi@2.1.1",
        "pkg:pypi/msgspec@0.22.0",
    ]


def test_the_pinned_list_is_sorted_and_complete():
    """Two lists can be compared line by line."""
    lines = bill.pinned(reversed(ENTRIES)).splitlines()
    assert lines == sorted(lines)
    assert len(lines) == 4


def test_the_bill_is_spdx_and_repeats():
    """Same input, same bytes; the time in it is the build's own."""
    text = bill.write("Tutti", "ab" * 32, ENTRIES, 0)
    assert text == bill.write("Tutti", "ab" * 32, ENTRIES, 0)
    shown = json.loads(text)
    assert shown["spdxVersion"] == "SPDX-2.3"
    assert shown["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    names = {each["SPDXID"] for each in shown["packages"]}
    assert len(names) == len(shown["packages"]) == 5
    assert {each["relatedSpdxElement"] for each in shown["relationships"]} < names


def test_other_contents_make_another_document():
    """A namespace stands for one content (SPDX 2.3, 6.5)."""
    one = json.loads(bill.write("Tutti", "ab" * 32, ENTRIES, 0))
    other = json.loads(bill.write("Tutti", "ab" * 32, ENTRIES[:2], 0))
    assert one["documentNamespace"] != other["documentNamespace"]
