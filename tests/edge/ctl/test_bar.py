"""Progress without a terminal is a line for each kind of step."""

import pytest

from edge.ctl import bar


def test_a_script_sees_each_kind_of_step_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two hundred packages are one line of a log."""
    with bar.shown("building") as report:
        report("unpacking bash", 0.1)
        report("unpacking zsh", 0.2)
        report("packing", 0.9)
        report("", 1.0)
    assert capsys.readouterr().err == "unpacking bash\npacking\n"
