"""Which folders are mounted for secrets, and where their files lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from node import secret_mounts

WORDS = st.lists(
    st.text("ab_.-", min_size=1, max_size=4).filter(lambda w: w not in {".", ".."}),
    min_size=2,
    max_size=4,
)
TARGETS = st.lists(WORDS.map(lambda words: "/" + "/".join(words)), max_size=5)


def test_secrets_of_one_folder_share_a_mount():
    """The usual /run/secrets."""
    targets = ["/run/secrets/a", "/run/secrets/b"]
    assert secret_mounts.folders(targets) == ("/run/secrets",)


def test_a_folder_inside_a_mounted_one_is_part_of_it():
    """A read-only mount has no place to mount into."""
    targets = ["/run/secrets/a", "/run/secrets/db/b", "/etc/keys/c"]
    assert secret_mounts.folders(targets) == ("/etc/keys", "/run/secrets")


def test_a_file_lies_where_its_mount_shows_it():
    """Below its container's own folder."""
    places = secret_mounts.file_places(
        "/v", "c1", ["/run/secrets/db/b", "/run/secrets/a"]
    )
    assert places == {
        "/run/secrets/db/b": "/v/c1/run_secrets/db/b",
        "/run/secrets/a": "/v/c1/run_secrets/a",
    }


@pytest.mark.parametrize(
    "target",
    [
        "token",
        "/token",
        "",
        "/",
        "/run/../token",
        "/run//token",
        "/run/secrets/",
        "/a/.",
    ],
)
def test_a_target_that_is_no_file_in_a_folder_is_refused(target):
    """With an example of one that is."""
    with pytest.raises(ConfigError, match="/run/secrets/token"):
        secret_mounts.folders([target])


@given(TARGETS)
def test_every_file_lies_below_exactly_one_mounted_folder(targets):
    """So that the container sees each, once."""
    mounted = secret_mounts.folders(targets)
    for target in targets:
        assert sum(target.startswith(f"{folder}/") for folder in mounted) == 1


@given(TARGETS, TARGETS)
def test_no_two_folders_share_a_place(one, other):
    """One container's mounts do not leak into each other."""
    mounted = {*secret_mounts.folders(one), *secret_mounts.folders(other)}
    places = {secret_mounts.place("/v", "c", folder) for folder in mounted}
    assert len(places) == len(mounted)
