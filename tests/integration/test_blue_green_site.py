"""Two sets on a site that loses a device while the hub is away: both are taken over."""

import pytest

from tests.support import labs
from tests.support.labs import Lab, wait

WEB = """
name = "web"

[workload.web]
image = "REGISTRY/web:1"
ports = ["8080:80"]
replicas = 1
failover = "available"
health = { http = "http://:80/healthz", every = "200ms", fail_after = 3 }
"""
ROLLOUT = """
[rollout]
strategy = "blue-green"
healthy_for = "1s"
progress_deadline = "20s"
keep_for = "2s"
"""
NODES = ("n1", "n2", "n3")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Three devices; both sets are on one of them."""
    with labs.lab(tmp_path_factory.mktemp("site"), "--nodes", "3") as lab:
        lab.edgectl("deploy", lab.manifest("web", WEB), "--yes")
        green = lab.manifest("web", WEB.replace("8080:80", "8081:80") + ROLLOUT)
        lab.edgectl("deploy", green, "--yes")
        yield lab


def serving(lab: Lab, port: int) -> list[str]:
    """Return the devices on which a port answers."""
    return [each for each in NODES if lab.fetch(each, "/healthz", port)]


def test_a_neighbour_takes_both_sets_over(site):
    """What serves is the old one; it must not be missed."""
    (holder,) = serving(site, 8080)
    assert serving(site, 8081) == [holder]
    site.lab("kill", "hub")
    site.lab("kill", holder)
    wait(lambda: serving(site, 8080), "the old set to serve on a neighbour")
    wait(lambda: serving(site, 8081), "the new set to serve there too")
    assert serving(site, 8080) == serving(site, 8081) != [holder]


def test_the_promote_reaches_whoever_has_it_now(site):
    """With the hub back; the device that was lost may stay away."""
    site.lab("boot", "hub")
    wait(lambda: site.rows_or_none("get", "nodes"), "the hub to answer")
    site.edgectl("rollout", "watch", "web", "--timeout", "60s")
    site.edgectl("rollout", "promote", "web", "--yes")
    wait(lambda: not serving(site, 8080), "the old set to leave")
    assert len(serving(site, 8081)) == 1
