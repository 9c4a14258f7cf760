"""Every way to end has its number, and scripts may rely on it."""

import pytest

from edge.ctl import exits
from edge.ctl.exits import Ended, Exit
from edge.errors import (
    ConfigError,
    LabError,
    ManifestError,
    RequestError,
    TemporaryError,
    TrustError,
    Unreachable,
    WireError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 1),
        (ManifestError("x"), 1),
        (WireError("x"), 1),
        (LabError("x"), 1),
        (TemporaryError("the registry"), 1),
        (exits.not_found("x"), 3),
        (RequestError(404, "unknown", "x"), 3),
        (RequestError(403, "not-authorised", "x"), 4),
        (RequestError(401, "not-authorised", "x"), 4),
        (TrustError("fingerprint", "x"), 4),
        (Unreachable("x"), 5),
        (Ended(Exit.ROLLOUT_FAILED, "x"), 6),
        (Ended(Exit.TIMED_OUT, "x"), 7),
        (RequestError(409, "conflict", "x"), 8),
        (RequestError(400, "malformed", "x"), 1),
        (RequestError(500, "broken", "x"), 1),
    ],
)
def test_an_error_ends_a_command_with_its_number(error, code):
    """The numbers are the issue's."""
    assert exits.code_of(error) == code


def test_help_explains_every_number():
    """A person who sees `$? = 7` finds it."""
    told = exits.epilogue()
    assert all(f"{code.value} {exits.MEANINGS[code]}" in told for code in Exit)
