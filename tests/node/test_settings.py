"""A device's settings: file, environment, flags; the later wins."""

from pathlib import Path

import pytest

from edge.errors import ConfigError
from node import settings


def test_flags_win_over_environment_over_file(tmp_path):
    """The nearest to the person counts."""
    file = tmp_path / "node.toml"
    file.write_text('name = "a"\nhub = "https://one:1"\nuplink = "metered"\n')
    found = settings.load(file, {"EDGE_NODE_NAME": "b"}, {"hub": "https://two:2"})
    assert (found.name, found.hub, found.uplink) == ("b", "https://two:2", "metered")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('nmae = "a"', "nmae"),
        ('uplink = "lte"', "uplink"),
        ('guard = "cron"', "guard"),
        ("name = 3", "name"),
        ("resync_every = -1", "resync_every"),
        ("= 1", "node.toml"),
    ],
)
def test_a_bad_file_names_the_setting(tmp_path, text, named):
    """The error says what is wrong."""
    file = tmp_path / "node.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named):
        settings.load(file, {}, {})


def test_a_missing_named_file_is_an_error(tmp_path):
    """A file someone named must be there."""
    with pytest.raises(ConfigError, match="cannot use"):
        settings.load(tmp_path / "none.toml", {}, {})


def test_folders_become_paths():
    """Text from the environment is converted once."""
    found = settings.load(None, {"EDGE_NODE_STATE": "/srv/x"}, {})
    assert found.state == Path("/srv/x")


def test_a_metered_uplink_says_less():
    """The profile sets the pace, one figure may be overruled."""
    metered = settings.Settings(uplink="metered")
    assert metered.pace.keepalive > settings.Settings().pace.keepalive
    quick = settings.Settings(telemetry_every=1.0)
    assert quick.pace.telemetry_every == 1.0


def test_neighbours_talk_on_one_port(tmp_path):
    """The same default on all devices of a site; a file may name another."""
    assert settings.load(None, {}, {}).mesh_port == 8445
    file = tmp_path / "node.toml"
    file.write_text("mesh_port = 9000\n")
    assert settings.load(file, {}, {}).mesh_port == 9000
