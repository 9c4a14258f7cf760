"""Capabilities and signals: known words in one spelling."""

import pytest

from edge.manifest import kernel


@pytest.mark.parametrize("text", ["NET_ADMIN", "CAP_NET_ADMIN", "cap_net_admin"])
def test_a_capability_has_one_spelling(text: str) -> None:
    """Upper case, without ``CAP_``."""
    assert kernel.capability(text) == "NET_ADMIN"


def test_a_capability_near_another_is_offered() -> None:
    """Typing errors are answered."""
    with pytest.raises(ValueError, match="did you mean"):
        kernel.capability("NET_ADMINS")


@pytest.mark.parametrize("value", ["ALL", "cap_all"])
def test_all_capabilities_at_once_are_refused(value: str) -> None:
    """Giving everything back is never what a program needs."""
    with pytest.raises(ValueError, match="name each capability"):
        kernel.capability(value)


def test_a_word_near_nothing_gets_an_example() -> None:
    """The answer says what kind of word is wanted."""
    with pytest.raises(ValueError, match="a Linux capability such as"):
        kernel.capability("XYZXYZ")


def test_there_are_as_many_capabilities_as_linux_has() -> None:
    """CAP_LAST_CAP is 40, counted from 0, since Linux 5.9."""
    assert len(kernel.CAPABILITIES) == 41


@pytest.mark.parametrize("text", ["SIGINT", "INT", "sigint"])
def test_a_signal_has_one_spelling(text: str) -> None:
    """Upper case, with ``SIG``."""
    assert kernel.stop_signal(text) == "SIGINT"


@pytest.mark.parametrize("value", ["SIGTERMM", "9", 15])
def test_an_unknown_signal_is_refused(value: object) -> None:
    """A number differs between architectures; a name does not."""
    with pytest.raises(ValueError, match=r"^cannot use"):
        kernel.stop_signal(value)
