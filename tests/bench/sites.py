"""Sites of 2 to 50 devices on an invented network, in virtual time.

The real membership machine, real seals left out, sizes as with them. For each size: UDP
payload that a device sends, seconds from the loss of a device to everybody's verdict
(on a clean LAN, and at 20 % loss with 50 to 250 ms), and from the start of all devices
at once until each sees all. Nobody has a broker.
"""

import argparse
from collections.abc import Iterator

from tests.bench import measure
from tests.bench.measure import Figure, Report, Target
from tests.support.mesh_net import Net

SIZES = (2, 3, 5, 20, 50)
SETTLES = 30.0  # seconds until a site is at rest after its start
COUNTED_FOR = 30.0
ROUGH_LOSS = 1 - 0.8  # of the datagrams between two devices
ROUGH_DELAY = (0.05, 0.25)
BYTES_AT_MOST = 1000.0
START_AT_MOST = 10.0
WITHIN = 120.0


def options(parser: argparse.ArgumentParser) -> None:
    """Say how many seeds for each size."""
    parser.add_argument("--seeds", type=int, default=5)


def measured(chosen: argparse.Namespace) -> Report:
    """Play every size with every seed."""
    figures: list[Figure] = []
    for count in SIZES:
        measure.progress(f"a site of {count}")
        figures += _of(count, range(1, chosen.seeds + 1))
    sent = [each for each in figures if each.unit == "B"]
    cold = [each for each in figures if each.what.startswith("start")]
    return Report(
        bench="sites",
        figures=tuple(figures),
        targets=(
            Target(
                what="payload, any size",
                value=max(each.most for each in sent),
                at_most=BYTES_AT_MOST,
                unit="B",
            ),
            Target(
                what="start → all see all, any size",
                value=max(each.most for each in cold),
                at_most=START_AT_MOST,
                unit="s",
            ),
        ),
    )


def _of(count: int, seeds: range) -> Iterator[Figure]:
    starts, sent, clean, rough = [], [], [], []
    for seed in seeds:
        net = Net(count=count, seed=seed)
        starts.append(net.run_until(net.is_whole, WITHIN))
        net.run(SETTLES)
        sent += _payload(net)
        clean.append(_death(net))
        bad = Net(count=count, seed=seed, loss=ROUGH_LOSS, delay=ROUGH_DELAY)
        bad.run(SETTLES)
        rough.append(_death(bad))
    yield _figure("payload sent each second", count, "B", sent)
    yield _figure("start → all see all", count, "s", starts)
    yield _figure("loss → all know, clean", count, "s", clean)
    yield _figure("loss → all know, 20 % loss", count, "s", rough)


def _payload(net: Net) -> list[float]:
    net.sent.clear()
    net.run(COUNTED_FOR)
    return [net.sent[name] / COUNTED_FOR for name in net.devices]


def _death(net: Net) -> float:
    """Take the last device's power; return when the last of the others knows."""
    gone = f"n{net.count}"
    net.kill(gone)
    return net.run_until(lambda: net.everybody_sees(gone, "dead"), WITHIN)


def _figure(what: str, count: int, unit: str, values: list[float]) -> Figure:
    return Figure(what=what, who=f"{count} devices", unit=unit, values=tuple(values))
