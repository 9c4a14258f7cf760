"""`edgectl simulate`: what would happen to a manifest when devices and wires fail.

No fleet is asked and nothing is signed: a whole fleet is played in this process, in
virtual time, with the logic that devices and hub really run (`edge.sim`).
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from edge import manifest
from edge.ctl import playback, render, terminal, texts
from edge.ctl.options import DURATION, Chosen, shared
from edge.ctl.playback import SETTLED, Story
from edge.ctl.voters import INITIAL_MAX
from edge.errors import ConfigError
from edge.manifest import Manifest
from edge.model import Workload
from edge.sim import faults, fleet, mishaps
from edge.sim.network import CLEAN, Weather
from edge.sim.scenario import Scenario

LASTS = 120.0
ROLLOUT = (
    "edgectl: rollouts are not played: this is the manifest as if it ran everywhere"
    " already"
)
DEVICES_MAX = 100
FAULTS = (
    ("kill", "NODE@TIME", "A power cut."),
    ("boot", "NODE@TIME", "Power, or life, is back."),
    ("cut", "A-B@TIME", "A wire is cut; A>B: one way; A: all its wires; hub, broker."),
    ("partition", "A,B|C@TIME", "Nothing gets from one group to another."),
    ("heal", "A-B@TIME", "What was cut is whole again; all@TIME: everything."),
    ("crash", "NODE@TIME", "The daemon dies, and is started again."),
    ("pause", "NODE@TIME-TIME", "The daemon hangs."),
    ("suspend", "NODE@TIME-TIME", "The whole machine sleeps."),
    ("leave", "NODE@TIME", "An orderly shutdown hands over."),
)


def _with_faults(command: click.Command) -> click.Command:
    for name, shape, text in reversed(FAULTS):
        option = click.Option(
            [f"--{name}", name], multiple=True, metavar=shape, help=text
        )
        command.params.insert(2, option)
    return command


@_with_faults
@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="MANIFEST")
@click.option(
    "--site", "sites", multiple=True, metavar="NAME:COUNT", help="A site; n1, n2, …"
)
@click.option(
    "--label", "labels", multiple=True, metavar="NODE:KEY=VALUE", help="Worn by NODE."
)
@click.option("--loss", default="0%", metavar="SHARE", help="Datagrams lost: 20%.")
@click.option("--delay", default="", metavar="TIME[-TIME]", help="One way: 50ms-250ms.")
@click.option("--for", "lasts", type=DURATION, default=LASTS, help="How long to play.")
@click.option("--seed", type=int, default=1, help="Other luck.")
@shared
def simulate(chosen: Chosen, /, *, file: Path, **asked: object) -> None:
    """Play MANIFEST on invented devices, and tell what happens when they fail."""
    given = msgspec.convert(asked, Asked)
    written = texts.manifest_in(file)
    if written.rollout is not None:
        terminal.tell(ROLLOUT)
    story = _play(scenario(written, given))
    shown = render.to_json(story) if chosen.is_json else playback.told(story)
    terminal.show(shown)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were typed."""

    sites: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    loss: str = "0%"
    delay: str = ""
    lasts: float = LASTS
    seed: int = 1
    kill: tuple[str, ...] = ()
    boot: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    heal: tuple[str, ...] = ()
    crash: tuple[str, ...] = ()
    pause: tuple[str, ...] = ()
    suspend: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()

    @property
    def mishaps(self) -> Mapping[str, tuple[str, ...]]:
        """Return what shall go wrong, and right again, by option."""
        return {name: getattr(self, name) for name, _, _ in FAULTS}


def scenario(written: Manifest, asked: Asked) -> Scenario:
    """Return the world that was asked for; raise `ConfigError` for an odd question."""
    sites = _sites(asked.sites or ("home:3",))
    machines = fleet.machines(sites)
    names = [each.name for each in machines]
    here = {site: [m.name for m in machines if m.site == site] for site in sites}
    return Scenario(
        seed=asked.seed,
        sites=sites,
        deployments={written.name: _workloads(written)},
        lasts=SETTLED + asked.lasts,
        weather=_weather(asked),
        faults=mishaps.read(asked.mishaps, names, SETTLED),
        labels=_labels(asked.labels, names),
        voters={s: tuple(sorted(found)[:INITIAL_MAX]) for s, found in here.items()},
    )


def _play(asked: Scenario) -> Story:
    """Play it, with a bar for whoever waits at a terminal."""
    if not sys.stderr.isatty():
        return playback.play(asked)
    whole = int(asked.lasts)
    with click.progressbar(length=whole, label="playing", file=sys.stderr) as bar:
        return playback.play(asked, lambda seconds: bar.update(round(seconds)))


def _workloads(written: Manifest) -> tuple[Workload, ...]:
    """Return the workloads with invented images: no registry is asked."""
    names = manifest.images(written)
    return manifest.resolve(written, {each: fleet.image(each) for each in names})


def _sites(texts: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        name, _, count = text.partition(":")
        if not name or not count.isdecimal() or int(count) < 1:
            raise ConfigError(f"cannot read site {text!r}; write NAME:COUNT: home:3")
        found[name] = found.get(name, 0) + int(count)
    if sum(found.values()) > DEVICES_MAX:
        raise ConfigError(f"cannot simulate more than {DEVICES_MAX} devices")
    return found


def _labels(texts: Sequence[str], nodes: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        node, _, label = text.partition(":")
        key, sign, value = label.partition("=")
        if node not in nodes or not key or not sign:
            problem = f"cannot read label {text!r}; write NODE:KEY=VALUE"
            raise ConfigError(f"{problem}, such as {nodes[0]}:role=sensor")
        found.setdefault(node, {})[key] = value
    return found


def _weather(asked: Asked) -> Weather:
    least, sign, most = asked.delay.partition("-")
    delay = faults.seconds(least) if least else CLEAN.delay
    jitter = faults.seconds(most) - delay if sign else CLEAN.jitter
    if jitter < 0:
        raise ConfigError(f"cannot delay {asked.delay}: it ends before it begins")
    return Weather(loss=faults.share(asked.loss), delay=delay, jitter=jitter)
