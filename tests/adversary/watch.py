"""The judge of the attack: it knows what the operator said, and nothing of our code.

After every message it looks at what is in force and demands that each part of it is
there by the operator's word. Rules are written from DESIGN §4 once more, on purpose
not with `edge.trust`, `node.share` or `edge.placement`.
"""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.documents import Deployment, Node, Tombstone
from edge.model import ReplicaPlace, Workload
from edge.trust import Ledger
from node.agent import Agent
from node.replica import Replica
from tests.adversary import world
from tests.adversary.world import (
    FAR_ID,
    GENERATION,
    NOW,
    SEVEN,
    THIRD_ID,
    VICTIM_ID,
    Fleet,
)
from tests.support import builders as a

NAMES = {"n1", "n2", "n3", "n7"}
FLOOR_MAX = NOW + 90 * a.DAY
"""The last day on which any key that still counts could sign."""


def found_in(digests: Container[str], sent: Sequence[bytes]) -> list[bytes]:
    """Return the envelopes among ``sent`` that have one of these digests."""
    found = []
    for data in sent:
        try:
            if world.digest(data) in digests:
                found.append(data)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # no envelope at all
    return found


def contents(data: bytes) -> tuple[str, dict[str, Any], set[str]]:
    """Return kind, payload and named keys of an envelope, all unverified."""
    whole = json.loads(data)
    text = whole["payload"]
    body = json.loads(a.sealing.from_text(text))
    kind = whole["payloadType"].removeprefix("application/vnd.tutti.")
    return kind.partition(".")[0], body, {each["keyid"] for each in whole["signatures"]}


@dataclass(slots=True, kw_only=True)
class Watch:
    """One ledger under watch: its heads only rise, and only by those who may."""

    fleet: Fleet
    lets_in: frozenset[str] = frozenset()
    """Vouchers whose window and uses this ledger cannot know: a leak mints members."""
    me: str = ""
    """On a device, its id: it sees its neighbours' newest approvals only."""
    heads: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)

    def look(self, ledger: Ledger, sent: Sequence[bytes]) -> bool:
        """Demand that every head that moved did so by right; ``sent`` came last.

        Return whether any did.
        """
        moved = False
        for stream, head in ledger.heads.items():
            seen = self.heads.get(stream)
            if seen == (head.counter, head.digest):
                continue
            assert seen is None or head.counter > seen[0], f"{stream} went back"
            if head.digest not in self.fleet.said:
                came = found_in({head.digest}, sent)
                assert came, f"{stream} came from nowhere"
                is_right = any(self._is_within_limits(each) for each in came)
                assert is_right, f"{stream} by nobody's right"
            self.heads[stream] = (head.counter, head.digest)
            moved = True
        assert self.heads.keys() == ledger.heads.keys(), "a stream was forgotten"
        assert ledger.floor <= FLOOR_MAX, "the floor was pushed"
        return moved

    def _is_within_limits(self, data: bytes) -> bool:
        """What the enemy may say: the hub's word, and one scope's at its own site."""
        kind, body, keys = contents(data)
        if kind in {"assignment", "beacon", "plan"}:
            return a.HUB.public in keys and body["generation"] == GENERATION
        if kind in {"member", "report", "certificate-request"}:
            return self._is_own_device(kind, body)
        return SEVEN.public in keys and self._is_in_scope(kind, body)

    def _is_in_scope(self, kind: str, body: dict[str, Any]) -> bool:
        if body.get("scope") != "seven":
            return False
        if kind in {"voucher", "voters"}:
            return bool(body["site"] == "store-7")
        if kind == "node":
            held = self.heads.get(f"member/{body['device']}", ((), ""))
            is_his = held[1] not in self.fleet.said or body["device"] == FAR_ID
            is_his = is_his or self.me not in {"", body["device"]}
            return is_his and bool(body["site"] == "store-7")
        return self._is_free_name(kind, body)

    def _is_own_device(self, kind: str, body: dict[str, Any]) -> bool:
        """Return whether a device of the enemy's speaks, and for itself alone."""
        named = (body.get("device"), body.get("name"), body.get("voucher"))
        if (
            (kind == "member" and named == (THIRD_ID, "n3", "leaked"))
            or (kind == "report" and (body["device"], body["node"]) == (THIRD_ID, "n3"))
            or (kind == "certificate-request" and body["subject"] == "n3")
        ):
            return True
        if kind == "member" and body["voucher"] in self.lets_in:
            # A device learns its neighbours' names by and by; its own is sure.
            return body["name"] not in ({"n1"} if self.me else NAMES)
        if kind == "member":  # by a voucher of the scope he may sign for
            held = self.heads.get(f"voucher/{body['voucher']}")
        else:
            held = self.heads.get(f"member/{body.get('device', '')}")
        return held is not None and held[1] not in self.fleet.said

    def _is_free_name(self, kind: str, body: dict[str, Any]) -> bool:
        owner = f"deployment/{body['name'].partition('/')[0]}"
        held = self.heads.get(owner)
        if held is not None and held[1] in self.fleet.said:
            return False  # the name is the fleet's
        if kind != "deployment":
            return kind in {"tombstone", "secret"}
        return all(
            set(each.get("sites", ())) == {"store-7"} for each in body["workloads"]
        )


@dataclass(slots=True, kw_only=True)
class DeviceWatch:
    """A device under watch: what it believes, runs, stops and opens."""

    fleet: Fleet
    trust: Watch
    running: Mapping[str, ReplicaPlace] = field(default_factory=dict)
    decided: object = None
    """The places the device decided on when it was looked at last."""
    opened: set[tuple[str, str]] = field(default_factory=set)

    def look(self, agent: Agent, sent: Sequence[bytes]) -> None:
        """Demand that everything in force on the device is the operator's will."""
        ledger = agent.ledger
        is_first = self.decided is None
        if not self.trust.look(ledger, sent) and self.decided is agent.places:
            return  # nothing new is believed, nothing was decided
        self.decided = agent.places
        word = self._word(ledger)
        for replica in agent.replicas():
            self._may_run(replica, ledger, word)
            self._may_read(agent, replica)
        now = {place.slot: place for place in agent.places.values()}
        for slot, place in now.items():
            before = self.running.get(slot)
            if not is_first and (before is None or before.version != place.version):
                assert self._is_newest(place, ledger), f"{slot} was rolled back"
        for slot, place in self.running.items():
            if slot not in now:
                assert self._may_stop(place, ledger, word), f"{slot} was taken away"
        self.running = now

    def _word(self, ledger: Ledger) -> Node | None:
        """Return the operator's newest word on the device that reached it."""
        head = ledger.head(f"node/{VICTIM_ID}")
        if head is None:
            return None
        document = self.fleet.said[head.digest][0]
        assert isinstance(document, Node)
        return document

    def _may_run(self, replica: Replica, ledger: Ledger, word: Node | None) -> None:
        signed = self.fleet.deployment(replica.deployment, replica.version)
        assert signed is not None, f"{replica.slot} was never signed"
        workload = next(w for w in signed.workloads if w.name == replica.workload.name)
        assert replica.workload == workload, f"{replica.slot} is another container"
        head = ledger.head(f"deployment/{replica.deployment}")
        assert head is not None
        newest = self.fleet.said[head.digest][0]
        assert isinstance(newest, Deployment), f"{replica.slot} runs after its end"
        assert self._fits(replica.slot, replica.deployment, workload, word), (
            f"{replica.slot} may not run here"
        )

    def _fits(
        self, slot: str, deployment: str, workload: Workload, word: Node | None
    ) -> bool:
        """Return whether slot, site and labels are inside what was signed."""
        site, labels = world.standing([word] if word else [])
        named = {
            f"{deployment}/{workload.name}.{i + 1}" for i in range(workload.replicas)
        }
        if workload.every:
            key, _, value = workload.every.partition("=")
            named = {f"{deployment}/{workload.name}@n1"}
            if labels.get(key) != value:
                return False
        is_here = not workload.sites or site in workload.sites
        return slot in named and is_here and workload.require.items() <= labels.items()

    def _is_newest(self, place: ReplicaPlace, ledger: Ledger) -> bool:
        """Return whether a replica that begins is of the newest revision held."""
        head = ledger.head(f"deployment/{place.deployment}")
        return head is not None and head.counter == (place.version,)

    def _may_stop(self, place: ReplicaPlace, ledger: Ledger, word: Node | None) -> bool:
        """Return whether the operator gave a cause to stop a replica."""
        head = ledger.head(f"deployment/{place.deployment}")
        assert head is not None
        newest = self.fleet.said[head.digest][0]
        if isinstance(newest, Tombstone):
            return True
        assert isinstance(newest, Deployment)
        if newest.version > place.version or (word and word.scheduling == "drained"):
            return True
        workload = next(w for w in newest.workloads if w.name == place.workload)
        return not self._fits(place.slot, place.deployment, workload, word)

    def _may_read(self, agent: Agent, replica: Replica) -> None:
        """Demand that every secret is the operator's value of exactly that version."""
        if not replica.workload.secrets or replica.waits_for:
            return
        if (replica.slot, replica.secrets) in self.opened:
            return
        for short, value in agent.open_secrets(replica).items():
            name = f"{replica.deployment}/{short}"
            version = agent.sealed()[name]
            assert value == self.fleet.values[name, version, VICTIM_ID]
        self.opened.add((replica.slot, replica.secrets))
