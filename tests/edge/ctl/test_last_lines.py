"""What an operator may read of a failure."""

from edge import sealed_text
from edge.ctl import last_lines
from edge.ctl.keys import OperatorKey
from edge.errors import TrustError
from tests.support import stages
from tests.support.builders import OPERATOR, OPERATOR_SEAL, opening_key

KEY = OperatorKey(
    name="operator",
    public=OPERATOR.public,
    seal=OPERATOR_SEAL.public,
    signer=OPERATOR,
    opener=OPERATOR_SEAL,
)
LOG = sealed_text.seal("boot\nno such table", (OPERATOR_SEAL.public,))


def lines(key, log=LOG):
    """Return what is shown of one failure, and of a replica that is well."""
    stage = stages.stage(stages.bad(1, log=log, last_lines=()), stages.unit(2))
    bad, well = last_lines.opened(stage, lambda: key).units
    assert well.last_lines == ()
    return bad.last_lines


def test_the_operator_reads_the_last_lines():
    """Line by line."""
    assert lines(KEY) == ("boot", "no such table")


def test_a_locked_key_is_named():
    """Nobody is asked for a passphrase by a look."""
    assert lines(None) == (last_lines.LOCKED,)


def test_what_is_sealed_to_others_says_so():
    """The reason above it is readable all the same."""
    other = sealed_text.seal("secret", (opening_key("other").public,))
    (line,) = lines(KEY, other)
    assert "other operators" in line
    assert "secret" not in line


def test_a_key_is_only_asked_for_where_there_is_something_to_read():
    """Most looks at a rollout need none."""

    def never():
        raise TrustError("malformed", "asked")

    stage = stages.stage()
    assert last_lines.opened(stage, never) is stage
