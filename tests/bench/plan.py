"""`edgectl plan` of the next version for a thousand devices, as a person types it.

A real hub, broker and registry; the devices are puppets, which enrol, connect and
report that they run version 1. The plan names every device, its wave and its pull. The
time is from Enter to the end of the command.
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.bench import measure
from tests.bench.measure import BenchFailed, Figure, Report, Target
from tests.support import hubs, puppets, registries
from tests.support.hubs import Site
from tests.support.puppets import Stage
from tests.support.registries import Registry

AT_MOST = 2.0
TOLD_EVERY = 100
WITHIN = 300.0
MANIFEST = """
name = "web"

[workload.web]
image = "{image}"
every = "*"
health = {{ http = "http://:80/healthz", every = "1s" }}
"""
ROLLOUT = """
[rollout]
strategy = "canary"
waves = ["1", "1%", "10%", "50%", "100%"]
max_unavailable = "5%"
"""


def options(parser: argparse.ArgumentParser) -> None:
    """Say how large and how often."""
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)


def measured(chosen: argparse.Namespace) -> Report:
    """Bring the fleet up, then plan."""
    with (
        tempfile.TemporaryDirectory(prefix="tb-") as folder,
        hubs.site(Path(folder)) as site,
        registries.registry(_folder(Path(folder), "registry")) as registry,
        puppets.stage() as stage,
    ):
        for tag in ("1", "2"):
            registry.image("web", tag)
        _enrol(site, stage, chosen.devices)
        words = (_manifest(site, registry, "1"), "--yes", "--timeout", "1s")
        site.edgectl("deploy", *words, code=7)  # it goes on; the puppets are slow
        _wait_all_run(site, chosen.devices)
        path = _manifest(site, registry, "2", ROLLOUT)
        took = [_timed(site, path, chosen.devices) for _ in range(chosen.rounds)]
    what = f"edgectl plan for {chosen.devices} devices"
    figure = Figure(what=what, who="tutti", unit="s", values=tuple(took))
    target = Target(what=what, value=figure.median, at_most=AT_MOST, unit="s")
    return Report(bench="plan", figures=(figure,), targets=(target,))


def _folder(above: Path, name: str) -> Path:
    made = above / name
    made.mkdir()
    return made


def _manifest(site: Site, registry: Registry, tag: str, more: str = "") -> str:
    path = site.folder / "web.toml"
    path.write_text(MANIFEST.format(image=f"{registry.name}/web:{tag}") + more)
    return str(path)


def _enrol(site: Site, stage: Stage, devices: int) -> None:
    site.edgectl("fleet", "init", "shop", "--no-passphrase")
    proof = site.init()
    site.start()
    site.edgectl("hub", "adopt", site.url, "--fingerprint", proof)
    words = ("token", "create", "--site", "s", "--uses", str(devices))
    join = site.edgectl(*words).stdout
    for number in range(1, devices + 1):
        stage.join(f"n{number}", join)
        if number % TOLD_EVERY == 0:
            measure.progress(f"{number} of {devices} devices are enrolled")


def _wait_all_run(site: Site, devices: int) -> None:
    end = time.monotonic() + WITHIN
    while (count := sum(row["healthy"] for row in site.rows("ps", "web"))) < devices:
        measure.progress(f"{count} of {devices} devices run version 1")
        if time.monotonic() > end:
            raise BenchFailed(f"only {count} devices run version 1")
        time.sleep(1)


def _timed(site: Site, path: str, devices: int) -> float:
    measure.wait_quiet()
    began = time.monotonic()
    shown = site.rows("plan", path)
    took = time.monotonic() - began
    if len(shown["changes"]) != devices:
        raise BenchFailed(f"the plan names {len(shown['changes'])} devices")
    measure.progress(f"{took:.2f} s")
    return took
