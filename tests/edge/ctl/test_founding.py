"""A fleet begins whole or not at all."""

import pytest

from edge.ctl import founding, home, keys, memory
from edge.ctl.fleet import OPERATOR_KEY, ROOT_KEY
from edge.ctl.founding import Founding
from edge.errors import ConfigError
from tests.support import builders as a


def begin(path, **changes):
    """Return the context of a new fleet without passphrases."""
    parts = {
        "fleet": "shop",
        "context": "shop",
        "operator": "anna",
        "expires_at": a.NOW + a.DAY,
        "passphrase": None,
    }
    return founding.create(Founding(**{**parts, **changes}), a.NOW, path)


def test_a_new_fleet_has_keys_trust_and_a_context(tmp_path):
    """And is the current one."""
    context = begin(tmp_path)
    folder = home.context_folder("shop", tmp_path)
    found = memory.load(folder, "shop", context.anchor).ledger.trust
    assert home.get(home=tmp_path) == ("shop", context)
    assert found is not None
    assert found.root.keys == (keys.root(folder / ROOT_KEY).public,)
    operator, _ = keys.unlock(folder / OPERATOR_KEY)
    (named,) = found.operators
    assert (named.name, named.key, named.seal) == (
        "anna",
        operator.public,
        operator.seal,
    )
    assert named.expires_at == a.NOW + a.DAY


def test_a_second_one_changes_nothing(tmp_path):
    """Whoever types it twice keeps the first keys."""
    begin(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    content = [path.read_bytes() for path in before if path.is_file()]
    with pytest.raises(ConfigError, match="there is one already"):
        begin(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    assert [path.read_bytes() for path in before if path.is_file()] == content


def test_keys_without_a_context_are_not_written_over(tmp_path):
    """The list of contexts was lost, the keys were not."""
    begin(tmp_path)
    (tmp_path / home.CONTEXTS).unlink()
    with pytest.raises(ConfigError, match="there is one already"):
        begin(tmp_path)


def test_a_bad_name_makes_nothing(tmp_path):
    """Refused before anything is written."""
    with pytest.raises(ConfigError, match="cannot name a fleet 'Shop'"):
        begin(tmp_path / "home", fleet="Shop")
    assert not (tmp_path / "home").exists()


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path):
    """A file is in the way of the folder."""
    (tmp_path / home.FOLDER).write_text("")
    with pytest.raises(ConfigError, match="cannot"):
        begin(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        home.FOLDER,
        f"{home.CONTEXTS}.lock",
    ]


def test_two_fleets_have_two_contexts(tmp_path):
    """One operator, a shop and a farm."""
    begin(tmp_path)
    begin(tmp_path, fleet="farm", context="farm")
    assert sorted(home.load(tmp_path).contexts) == ["farm", "shop"]
