"""Contexts: one is current, and taking one away brings the one before back."""

import stat

import pytest

from edge.ctl import home
from edge.ctl.exits import Ended
from edge.ctl.home import Context
from edge.errors import ConfigError, StoreError

SHOP = Context(fleet="shop", anchor="sha256:" + "a" * 64)


def a_home(path, *names):
    """Return a home with these contexts, the last one current."""
    for name in names:
        home.create_context(name, SHOP, path)
        home.use(name, path)
    return path


def test_the_environment_chooses_the_home(monkeypatch, tmp_path):
    """EDGE_HOME goes before XDG_CONFIG_HOME."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert home.folder() == tmp_path / "config" / "tutti"
    monkeypatch.setenv("EDGE_HOME", str(tmp_path))
    assert home.folder() == tmp_path


def test_without_a_context_the_first_step_is_told(tmp_path):
    """A new user is not left alone with an error."""
    with pytest.raises(ConfigError, match="fleet init"):
        home.get(home=tmp_path)


def test_the_current_context_is_found_without_a_name(tmp_path):
    """Plain `edgectl` talks to it."""
    assert home.get(home=a_home(tmp_path, "shop")) == ("shop", SHOP)


def test_an_unknown_context_is_not_found(tmp_path):
    """It ends with 3 and names those there are."""
    with pytest.raises(Ended, match="there are: shop") as caught:
        home.get("farm", a_home(tmp_path, "shop"))
    assert caught.value.code == 3


def test_removing_the_current_context_brings_the_one_before_back(tmp_path):
    """A lab that goes down leaves the operator with the fleet it came from."""
    path = a_home(tmp_path, "shop", "lab")
    home.remove("lab", path)
    assert home.get(home=path)[0] == "shop"
    assert not home.context_folder("lab", path).exists()


def test_removing_another_context_leaves_the_current_one(tmp_path):
    """Only what is current has a successor."""
    path = a_home(tmp_path, "shop", "lab")
    home.remove("shop", path)
    assert home.get(home=path)[0] == "lab"


def test_removing_both_leaves_none_current(tmp_path):
    """The one before may be gone as well; then a choice is asked for."""
    path = a_home(tmp_path, "farm", "shop", "lab")
    home.remove("shop", path)
    home.remove("lab", path)
    with pytest.raises(ConfigError, match="context use"):
        home.get(home=path)


def test_removing_twice_is_fine(tmp_path):
    """`edgectl lab down` runs again after a crash."""
    path = a_home(tmp_path, "shop")
    home.remove("lab", path)
    assert home.get(home=path)[0] == "shop"


def test_using_the_current_context_again_keeps_the_one_before(tmp_path):
    """A second `lab up` must not forget what it took the place of."""
    path = a_home(tmp_path, "shop", "lab")
    home.use("lab", path)
    home.remove("lab", path)
    assert home.get(home=path)[0] == "shop"


def test_a_taken_name_is_refused(tmp_path):
    """Nobody's keys are written over."""
    with pytest.raises(ConfigError, match="there is one already"):
        home.create_context("shop", SHOP, a_home(tmp_path, "shop"))


def test_a_name_that_is_a_path_is_refused(tmp_path):
    """Removing ../.. would be a long afternoon."""
    with pytest.raises(ConfigError, match="cannot name a context"):
        home.create_context("../shop", SHOP, tmp_path)


def test_a_folder_made_elsewhere_is_moved_in_whole(tmp_path):
    """`fleet init` prepares everything first."""
    ready = tmp_path / ".new"
    ready.mkdir()
    (ready / "root.key").write_text("x")
    home.place("shop", SHOP, ready, tmp_path)
    assert (home.context_folder("shop", tmp_path) / "root.key").exists()
    assert not ready.exists()


def test_a_folder_is_not_moved_over_another(tmp_path):
    """A context whose entry was lost still has its keys."""
    home.context_folder("shop", tmp_path).mkdir(parents=True)
    ready = tmp_path / ".new"
    ready.mkdir()
    with pytest.raises(ConfigError, match="there is one already"):
        home.place("shop", SHOP, ready, tmp_path)


def test_a_damaged_file_is_said_to_be(tmp_path):
    """Guessing would make another fleet current."""
    path = a_home(tmp_path, "shop")
    (path / home.CONTEXTS).write_text("{")
    with pytest.raises(StoreError, match="cannot read"):
        home.load(path)


def test_nobody_else_reads_it(tmp_path):
    """The folder holds keys."""
    path = a_home(tmp_path / "new", "shop")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / home.CONTEXTS).stat().st_mode) == 0o600
