"""Two ways to write the same thing become one."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import model, spelling
from edge.documents import Deployment
from tests.support import builders as a


def spelled(part) -> bytes:
    """Return the JSON of a part as it is written."""
    return msgspec.json.encode(spelling.plain(part))


@pytest.mark.parametrize(
    "explicit",
    [
        b'{"cpus":0.0}',
        b'{"cpus":-0.0}',
        b'{"pids":256}',
        b'{"memory":0,"cpus":0.0,"pids":256}',
    ],
)
def test_a_default_written_out_is_left_out(explicit):
    """Limits that say nothing are spelled as nothing."""
    assert spelled(msgspec.json.decode(explicit, type=model.Resources)) == b"{}"


def test_a_default_struct_is_left_out():
    """The same, one level down."""
    whole = a.workload(resources=model.Resources(), stop_after=10.0)
    assert spelled(whole) == spelled(a.workload())


def test_it_reaches_into_every_level():
    """A replica's time inside a report is normalised too."""
    report = a.report(a.Device("n1"), replicas=(a.status("web/web.1", since=-0.0),))
    since = spelling.plain(report).replicas[0].since
    assert math.copysign(1, since) == 1


def test_there_is_one_zero():
    """A required instant cannot be minus zero."""
    issued = spelling.plain(a.deployment(issued_at=-0.0)).issued_at
    assert math.copysign(1, issued) == 1


def test_what_is_plain_already_is_the_very_same():
    """Nothing is copied without a need: reports are big."""
    plain = spelling.plain(a.deployment())
    assert spelling.plain(plain) is plain


@given(st.floats(allow_nan=False))
def test_numbers_keep_their_value(number):
    """Only the sign of zero is ever lost."""
    assert spelling.plain(number) == number


@given(st.floats(0, 4096), st.integers(1, 2**22), st.integers(0, 2**53 - 1))
def test_the_meaning_stays(cpus, pids, memory):
    """A struct equals its plain self."""
    limits = model.Resources(cpus=cpus, pids=pids, memory=memory)
    deployment = a.deployment(workloads=(a.workload(resources=limits),))
    assert spelling.plain(deployment) == deployment
    assert isinstance(spelling.plain(deployment), Deployment)
