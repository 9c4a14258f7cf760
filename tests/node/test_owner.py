"""Who a container runs as, by its own files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from node import owner
from node.owner import Owner

PASSWD = "root:x:0:0:root:/:/bin/sh\nweb:x:1234:2345::/:/bin/sh\n7:x:9:10::/:\nbroken\n"
GROUP = "root:x:0:\nmedia:x:44:web\nbroken\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Owner(0, 0)),
        ("root", Owner(0, 0)),
        ("web", Owner(1234, 2345)),
        ("1234", Owner(1234, 2345)),
        ("5000", Owner(5000, 0)),
        ("web:media", Owner(1234, 44)),
        ("web:7", Owner(1234, 7)),
        ("5000:media", Owner(5000, 44)),
        ("1:2", Owner(1, 2)),
    ],
)
def test_users_are_found_as_podman_finds_them(user, expected):
    """Names in the image's own files, numbers without."""
    assert owner.resolve(user, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    "user", ["nobody", "web:nogroup", "4294967295", "1:4294967295"]
)
def test_an_unknown_user_is_refused(user):
    """A secret must not become somebody else's."""
    with pytest.raises(ConfigError, match="cannot give secrets"):
        owner.resolve(user, PASSWD, GROUP)


@pytest.mark.parametrize("user", ["", "0", "1:2"])
def test_a_plain_user_needs_no_files(user):
    """Their result is the same without."""
    assert owner.is_plain(user)
    assert owner.resolve(user, "", "") == owner.resolve(user, PASSWD, GROUP)


@given(st.text(max_size=20), st.text(max_size=200), st.text(max_size=200))
def test_no_file_of_an_image_breaks_it(user, passwd, group):
    """Whoever made the image wrote them."""
    try:
        found = owner.resolve(user, passwd, group)
    except ConfigError:
        return
    assert 0 <= found.uid <= owner.ID_MAX
    assert 0 <= found.gid <= owner.ID_MAX
