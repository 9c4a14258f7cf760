"""edgectl in front of a lying hub: what it believes, seals, approves and signs.

The hub hides what it likes, shows what it likes in any order, and says what it likes
about devices. Nothing is sealed to a device or an operator that was not to have it,
nothing is signed that undoes what this machine saw, and nothing crashes.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from edge import sealing
from edge.ctl import handout, memory
from edge.ctl.fleet import Fleet as Opened
from edge.ctl.handout import Handout, Rows
from edge.ctl.home import Context
from edge.ctl.keys import OperatorKey
from edge.ctl.memory import Memory
from edge.ctl.shapes import NodeRow
from edge.documents import Node, Revocation, Secret, SecretValue, Voucher
from edge.errors import TrustError
from edge.model import MIB, Facts
from tests.adversary import attack, victim, watch, world
from tests.adversary.enemy import Enemy
from tests.adversary.watch import Watch
from tests.adversary.world import FAR, NOW, STOLEN_ID, THIRD, VICTIM, Fleet
from tests.support import builders as a

PART = 0.1
PLOTS = 0.3
"""Part of the commands in front of a hub with a plan."""
RUNS = 4
"""Commands in front of one hub, each with the disk of the one before."""
KEY = OperatorKey(
    name="operator",
    public=a.OPERATOR.public,
    seal=a.OPERATOR_SEAL.public,
    signer=a.OPERATOR,
    opener=a.OPERATOR_SEAL,
)
MAY_HAVE = {each.id: each for each in (VICTIM, THIRD, FAR)}
"""Devices the operator let in and has not missed; the other stolen one is revoked."""


def plot() -> dict[str, list[bytes]]:
    """Return a whole chain by a scoped operator's key, by the prefix it is shown at.

    A token, devices that joined by it, and for one of them his approval, with labels
    that would suit every deployment there is.
    """
    rogues = [a.Device(name) for name in ("rogue", "rogue2")]
    members = [a.member(each, voucher="mine") for each in rogues]
    approval = a.node(
        rogues[0],
        member=a.digest(members[0]),
        site="store-7",
        labels={"role": "sensor"},
        scope="seven",
    )
    return {
        "voucher/": [a.signed(world.own_voucher(), world.SEVEN)],
        "member/": [
            a.signed(member, world.LEAKED, each.sign)
            for member, each in zip(members, rogues, strict=True)
        ],
        "node/": [a.signed(approval, world.SEVEN)],
    }


class LyingHub:
    """The hub's answers: genuine documents, hidden or old ones, and inventions."""

    def __init__(self, enemy: Enemy, fleet: Fleet, count: int) -> None:
        self.enemy, self.fleet, self.count = enemy, fleet, count
        self.honesty = enemy.rng.choice((1.0, 0.9, 0.5))
        self.shown: list[bytes] = []
        self.posted: list[bytes] = []
        self.plot = plot() if count and enemy.rng.random() < PLOTS else {}

    def documents(self, prefix: str) -> list[bytes]:
        """Return what it shows of streams with a prefix."""
        genuine = [
            data
            for data in self.fleet.envelopes(prefix)
            if self.enemy.rng.random() < self.honesty
        ]
        lies = [self.enemy.document() for _ in range(self.count)]
        shown = genuine + lies + self.plot.get(prefix, [])
        if self.honesty < 1.0:
            self.enemy.rng.shuffle(shown)
        self.shown += shown
        return shown

    def trust_since(self, _: int) -> tuple[bytes, ...]:
        """Return root's newer words, as it likes to have them."""
        return tuple(self.documents("trust")) if self.enemy.rng.random() < 0.3 else ()

    def post(self, sealed: list[bytes]) -> tuple[()]:
        """Take everything."""
        self.posted += sealed
        return ()

    def rows(self, names: list[str]) -> tuple[NodeRow, ...]:
        """Say of devices that they are all there, and made for everything."""
        facts = Facts(architecture="amd64", memory=4096 * MIB, cpus=8, disk=2**40)
        return tuple(
            NodeRow(
                name=name,
                id=self.enemy.rng.choice((VICTIM.id, STOLEN_ID, "d-1", "")),
                site=self.enemy.rng.choice(("home", "store-7")),
                labels={"role": "sensor"},
                state="ready",
                facts=facts,
            )
            for name in names
        )


class Command(Opened):
    """A command of edgectl, with a clock that stands still."""

    def now(self) -> float:
        """Return the time of the story."""
        return NOW


def run(folder: Path, hub: LyingHub) -> Command:
    """Return a new command over what the last one left on disk."""
    anchor = a.empty_ledger().anchor
    return Command(
        name="shop",
        context=Context(fleet=a.FLEET, anchor=anchor),
        folder=folder,
        memory=memory.load(folder, a.FLEET, anchor),
        _hub=cast("Any", hub),
        _operator=KEY,
        _public=KEY.public,
    )


def remembered(fleet: Fleet, folder: Path) -> None:
    """Leave the memory of a machine that was there from the first day."""
    folder.mkdir()
    seen: Memory = memory.load(folder, a.FLEET, a.empty_ledger().anchor)
    joined = {"n3": NOW - 8.5 * a.DAY}
    for document, data in list(fleet.said.values()):
        now = joined.get(getattr(document, "name", ""), NOW)
        memory.demand(seen.take(data, now), document.stream)
    seen.save()


def used(command: Command, hub: LyingHub) -> None:
    """Do what an operator does: look, hand out secrets, approve, revoke one more."""
    with suppress(TrustError):  # a forgery ends the command, and was named
        command.sync_trust()
    handout.learn(command)
    command.fetch("deployment/")
    names = sorted({*command.ledger.names, "rogue", "rogue2", "n1", "n2"})
    rows = Rows(nodes=hub.rows(names), replicas=())
    found = handout.sort_devices(command, rows, lambda _: False)
    deployments = list(command.ledger.deployments.values())
    makers: list[Callable[[], Handout]] = [found.approve_all]
    makers += [partial(found.handout, each) for each in deployments]
    for make in makers:
        with suppress(TrustError):
            made = make().documents
            command.hand_in(made, [command.sign(one) for one in made])
    version = command.memory.next_version("revocation")
    held = command.ledger.revocation
    devices = (*(held.devices if held else ()), f"d-{version}")
    with suppress(TrustError):
        command.submit(a.revocation(version, devices=devices))


def judge_posted(command: Command, hub: LyingHub, revoked: set[str]) -> None:
    """Demand that everything signed was the operator's to sign."""
    for data in hub.posted:
        document = a.opened(data)[0]
        match document:
            case Secret():
                judge_secret(command, document)
            case Node():
                judge_word(hub, document)
            case Revocation():
                assert revoked <= set(document.devices), "a revocation forgot"
                revoked |= set(document.devices)
            case _:
                raise AssertionError(f"nobody asked for {document.stream}")


def judge_word(hub: LyingHub, document: Node) -> None:
    """Demand that only the operator's own devices were approved, as they stood."""
    if document.scope == "seven":  # by a token of that scope: it goes no further
        assert document.site == "store-7"
        return
    assert document.device in MAY_HAVE, "a stranger was approved"
    member = world.member_of(MAY_HAVE[document.device])
    assert document.labels == labels_of(hub, member.voucher)
    if document.device != THIRD.id:  # whose thief may have exchanged its keys
        assert document.member == a.digest(member)


def judge_secret(command: Command, document: Secret) -> None:
    """Demand that a secret went to its own, with the newest value there was."""
    if document.recipient.startswith("operator:"):
        assert document.recipient == world.OPERATOR
        return
    assert document.recipient in MAY_HAVE, "a secret went astray"
    if document.recipient == THIRD.id:
        return  # whose thief may have exchanged the key it was sealed to
    opener = MAY_HAVE[document.recipient].seal
    inside = a.opened(opener.open(sealing.from_text(document.box)))[0]
    versions = [
        version
        for name, version, recipient in command_values(command)
        if (name, recipient) == (document.name, world.OPERATOR)
    ]
    assert document.version == max(versions)
    assert isinstance(inside, SecretValue)
    value = f"{document.name} {document.version}".encode()
    assert inside.value == sealing.to_text(value)


def command_values(command: Command) -> list[tuple[str, int, str]]:
    """Return what this machine knows of secrets sealed to operators."""
    return [
        (name, version, recipient)
        for name, held in command.ledger.secrets.items()
        for recipient, version in held.items()
    ]


def labels_of(hub: LyingHub, voucher: str) -> dict[str, str]:
    """Return the labels an operator's token gives."""
    document = a.opened(hub.fleet.envelopes(f"voucher/{voucher}")[0])[0]
    assert isinstance(document, Voucher)
    return document.labels


def attacked(fleet: Fleet, folder: Path, rng: Random, count: int) -> None:
    """Run commands in front of a hub that shows ``count`` inventions in all."""
    enemy = Enemy(
        rng=rng, corpus=[*world.foreign(), *(data for _, data in fleet.said.values())]
    )
    look = Watch(fleet=fleet, lets_in=frozenset({"leaked"}))
    revoked = {STOLEN_ID}
    own: list[bytes] = []
    for _ in range(RUNS):
        hub = LyingHub(enemy, fleet, count // (RUNS * 6))
        command = run(folder, hub)
        used(command, hub)
        own += hub.posted
        for data in hub.posted:
            fleet.said.setdefault(world.digest(data), (a.opened(data)[0], data))
        look.look(command.ledger, hub.shown)
        judge_posted(command, hub, revoked)
        command.memory.save()


@pytest.mark.timeout(600)
def test_edgectl_signs_nothing_a_lying_hub_would_like(seed):
    """Whatever it shows and hides, over several commands."""
    fleet = world.founded()
    with victim.scratch() as scratch:
        remembered(fleet, scratch / "template")
        world.later(fleet)
        known = dict(fleet.said)
        for number, (rng, count) in enumerate(attack.episodes(seed, "edgectl", PART)):
            folder = victim.copied(scratch / "template", scratch / str(number))
            attacked(fleet, folder, rng, count)
            fleet.said.clear()
            fleet.said.update(known)


def test_the_lying_hub_is_heard_at_all(seed, tmp_path):
    """An honest one is believed, and a secret is sealed: the law above can fail."""
    fleet = world.founded()
    remembered(fleet, tmp_path / "memory")
    enemy = Enemy(
        rng=Random(seed),
        corpus=[*world.foreign(), *(data for _, data in fleet.said.values())],
    )
    hub = LyingHub(enemy, fleet, 0)
    hub.honesty = 1.0
    command = run(tmp_path / "memory", hub)
    used(command, hub)
    kinds = {type(a.opened(data)[0]) for data in hub.posted}
    assert kinds == {Secret, Node, Revocation}
    assert watch.found_in({world.digest(hub.posted[0])}, hub.posted)
