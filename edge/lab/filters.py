"""What the switch drops: a share of the frames, one direction, between two groups.

Dropping is done in the switch, not in the machine: there it costs the sender no error
(dropping its own output answers EPERM), takes ARP along as a bad radio link does, and
no machine can flush it with its own rules. One table for each fault of each machine, so
that ending one leaves the others.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from edge.lab import programs
from edge.lab.layout import LabLayout, Machine
from edge.lab.state import NAMESPACES

LOSS_STEPS = 10_000  # loss is set in hundredths of a per cent
LOSS_RULE = re.compile(r'iifname "(\w+)" (?:numgen random mod \d+ < (\d+) )?drop')
FILTER = "{ type filter hook %s priority 0; policy accept; }"
PARTITION = "partition"

Direction = Literal["in", "out"]
# Where a machine's frames pass, and by which end of the rule it is known.
SENT, RECEIVED = ("prerouting", "iifname"), ("postrouting", "oifname")
PASSES = {"out": SENT, "in": RECEIVED}


def set_loss(lab: LabLayout, machine: Machine, percent: float) -> None:
    """Drop ``percent`` of the frames in each direction, independently; 0 drops none."""
    table = f"loss_{machine.port}"
    rules = _without(table)
    if percent > 0:
        steps = round(percent * LOSS_STEPS / 100)
        # nft refuses a condition that is always true.
        lottery = f"numgen random mod {LOSS_STEPS} < {steps}"
        rules += _drops(table, machine, lottery if steps < LOSS_STEPS else "")
    _nft(lab, rules)


def losses(lab: LabLayout) -> dict[str, float]:
    """Return the loss in per cent of every machine that has one."""
    rules = (rule for table, rule in _tables(lab) if table.startswith("loss_"))
    return {
        port: int(steps or LOSS_STEPS) * 100 / LOSS_STEPS
        for rule in rules
        for port, steps in LOSS_RULE.findall(rule)
    }


def set_one_way(lab: LabLayout, machine: Machine, direction: Direction) -> None:
    """Drop all the machine sends (``out``), or all it would receive (``in``)."""
    table = f"oneway_{machine.port}"
    _nft(lab, [*_without(table), *_drop(table, machine, direction)])


def end_one_way(lab: LabLayout, machine: Machine) -> None:
    """Let both directions pass again."""
    _nft(lab, _without(f"oneway_{machine.port}"))


def one_ways(lab: LabLayout) -> dict[str, Direction]:
    """Return which direction of a machine is dropped, where one is."""
    found: dict[str, Direction] = {}
    for table, rule in _tables(lab):
        if table.startswith("oneway_") and rule.endswith("drop"):
            found[table.removeprefix("oneway_")] = "out" if "iifname" in rule else "in"
    return found


def partition(lab: LabLayout, groups: Sequence[Iterable[Machine]]) -> None:
    """Let no machine of a group reach one of another; who is in none reaches all."""
    rules = _without(PARTITION)
    rules += [f"add table bridge {PARTITION}"]
    rules += [f"add chain bridge {PARTITION} forward {FILTER % 'forward'}"]
    for number, group in enumerate(groups):
        ports = ", ".join(f'"{machine.port}"' for machine in group)
        shape = f"{{ type ifname; elements = {{ {ports} }}; }}"
        rules.append(f"add set bridge {PARTITION} g{number} {shape}")
    numbers = range(len(groups))
    for one, other in ((one, other) for one in numbers for other in numbers):
        if one != other:
            between = f"iifname @g{one} oifname @g{other}"
            rules.append(f"add rule bridge {PARTITION} forward {between} drop")
    _nft(lab, rules)


def end_partition(lab: LabLayout) -> None:
    """Let everybody reach everybody again."""
    _nft(lab, _without(PARTITION))


def groups(lab: LabLayout) -> tuple[tuple[str, ...], ...]:
    """Return the ports of each group, none where there is no partition."""
    sets = (each["set"] for each in _listed(lab) if "set" in each)
    found = (each for each in sets if each["table"] == PARTITION)
    return tuple(tuple(sorted(each.get("elem", ()))) for each in found)


def release(lab: LabLayout, machine: Machine) -> None:
    """Take a machine out of its group: it reaches all again."""
    rules = [
        f'delete element bridge {PARTITION} g{number} {{ "{machine.port}" }}'
        for number, ports in enumerate(groups(lab))
        if machine.port in ports
    ]
    _nft(lab, rules)


def _without(table: str) -> list[str]:
    """Deleting what is not there is an error: it is made first."""
    return [f"add table bridge {table}", f"delete table bridge {table}"]


def _drops(table: str, machine: Machine, condition: str) -> list[str]:
    out = _drop(table, machine, "out", condition)
    return [*out, *_drop(table, machine, "in", condition)]


def _drop(
    table: str, machine: Machine, direction: Direction, condition: str = ""
) -> list[str]:
    hook, end = PASSES[direction]
    return [
        f"add table bridge {table}",
        f"add chain bridge {table} {direction} {FILTER % hook}",
        f'add rule bridge {table} {direction} {end} "{machine.port}" {condition} drop',
    ]


def _tables(lab: LabLayout) -> list[tuple[str, str]]:
    """Return every line of the switch's rules with the table it is in."""
    found, table = [], ""
    for line in _said(lab, "list", "ruleset").splitlines():
        if line.startswith("table "):
            table = line.split()[2]
        found.append((table, line))
    return found


def _listed(lab: LabLayout) -> list[dict[str, Any]]:
    shown = _said(lab, "-j", "list", "ruleset")
    return list(json.loads(shown)["nftables"]) if shown else []


def _said(lab: LabLayout, *words: str) -> str:
    if not (NAMESPACES / lab.lan).exists():
        return ""
    return programs.call("nsenter", f"--net={NAMESPACES / lab.lan}", "nft", *words)


def _nft(lab: LabLayout, rules: Sequence[str]) -> None:
    namespace = f"--net={NAMESPACES / lab.lan}"
    if rules:
        programs.call(
            "nsenter", namespace, "nft", "-f", "-", text="\n".join(rules) + "\n"
        )
