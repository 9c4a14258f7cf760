"""Which host ports two sets would both want."""

import msgspec
import pytest

from edge.ctl import sets
from tests.support import builders as a
from tests.support.drafts import next_version, version

BLUE = version(1, a.workload("web", ports=(a.port(8080),)))


def problem(*workloads, before=BLUE, **limits):
    """Return what is said of a blue-green version with these workloads."""
    strategy = {"strategy": "blue-green", **limits}
    found = sets.clash(before, next_version(*workloads, **strategy))
    return found.problem if found else ""


def web(*ports, **changes):
    """Return the workload with another image, on these ports."""
    fields = {"ports": tuple(a.port(each) for each in ports), **changes}
    return a.workload("web", env={"A": "2"}, **fields)


def test_a_port_of_both_is_named_with_what_to_do():
    """Nothing could listen on it twice."""
    found = sets.clash(BLUE, next_version(web(8081, 8080), strategy="blue-green"))
    assert found is not None
    assert found.workload == "web"
    assert found.problem == (
        "cannot run beside version 1 on host port 8080/tcp: web of version 1 publishes"
        " 8080/tcp as well, and serves until the promote; publish another host port and"
        ' let clients follow it, or write strategy = "canary"'
    )


def test_ports_of_their_own_do_not_clash():
    """Nor one protocol with another."""
    assert problem(web(8081)) == ""
    udp = (a.port(8080, protocol="udp"),)
    assert problem(a.workload("web", env={"A": "2"}, ports=udp)) == ""


def test_any_workload_of_the_old_set_may_hold_a_port():
    """They may come to one device."""
    other = a.workload("api", ports=(a.port(8080),))
    assert "web of version 1 publishes" in problem(web(8081), other)


@pytest.mark.parametrize("changes", [{}, {"replicas": 3}, {"failover": "available"}])
def test_what_stays_as_it_is_shares_its_port_with_nobody(changes):
    """One container is in both sets."""
    same = a.workload("web", ports=(a.port(8080),), **changes)
    assert problem(same, a.workload("api")) == ""


def test_another_image_is_another_container():
    """Whatever else is the same."""
    image = msgspec.structs.replace(a.image(), platforms=a.image().platforms[:1])
    assert problem(a.workload("web", ports=(a.port(8080),), image=image))


def test_other_strategies_replace_what_runs():
    """The old one stops first."""
    assert problem(web(8080), strategy="canary") == ""
