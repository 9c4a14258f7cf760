"""What has to be handed in so that every device that needs a secret holds it.

For a deployment: the operator's word for recipients that have none yet, and a copy of
each secret for every recipient and operator that lacks its newest version. The values
are opened here, from the copy sealed to this operator, and only if a copy is lacking.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from edge import trust
from edge.ctl import approval, recipients, sealed, survey
from edge.ctl.approval import Device
from edge.ctl.fleet import DEVICES, Fleet
from edge.ctl.recipients import Sites
from edge.ctl.sealed import Value
from edge.ctl.shapes import NodeRow, ReplicaRow
from edge.documents import Deployment, Document, Node
from edge.errors import TrustError
from edge.placement import NodeView

Ask = Callable[[str], bool]
"""Puts a yes-or-no question to a person."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's figures, which choose among devices that are allowed anyway."""

    nodes: tuple[NodeRow, ...]
    replicas: tuple[ReplicaRow, ...]


@dataclass(slots=True, kw_only=True)
class Handout:
    """Documents to hand in, in their order, and what to say about them."""

    documents: list[Document] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Full names of secrets that nobody ever set."""
    sealed: dict[str, frozenset[str]] = field(default_factory=dict)
    """Full name → the devices that will hold the secret."""


@dataclass(slots=True, kw_only=True)
class Trusted:
    """The devices of the fleet, sorted by whether secrets may go to them."""

    opened: Fleet
    rows: Rows
    allowed: dict[str, Device] = field(default_factory=dict)
    """By name: those an operator vouched for, or will now."""
    refused: dict[str, str] = field(default_factory=dict)
    """By name: why no secret goes there."""
    approved: set[str] = field(default_factory=set)
    """Ids of devices whose approval is in a `Handout` already."""

    def handout(self, deployment: Deployment) -> Handout:
        """Return what a deployment's secrets still need."""
        made = Handout(notes=list(recipients.obstacles(deployment)))
        for name in recipients.wanted(deployment):
            full = f"{deployment.name}/{name}"
            heads = self.opened.ledger.secrets.get(full, {})
            version = sealed.newest(heads)
            if not version:
                made.missing.append(full)
                continue
            devices = self.devices(deployment, name)
            made.sealed[full] = frozenset(device.name for device in devices)
            keys = self.keys(devices, deployment.scope)
            lacking = sealed.lacking(heads, version, keys)
            self._approve(made, devices)
            if lacking:
                value = self._opened(full, deployment.scope)
                self._seal(made, value, {one: keys[one] for one in lacking})
        return made

    def foreseen(self, deployment: Deployment) -> Handout:
        """Return what `handout` would say, without a key: for `edgectl plan`."""
        made = Handout(notes=list(recipients.obstacles(deployment)))
        for name in recipients.wanted(deployment):
            full = f"{deployment.name}/{name}"
            devices = self.devices(deployment, name)
            made.sealed[full] = frozenset(device.name for device in devices)
            if not sealed.newest(self.opened.ledger.secrets.get(full, {})):
                made.missing.append(full)
        return made

    def fresh(self, value: Value, deployment: Deployment | None, name: str) -> Handout:
        """Return a new value sealed for everyone who is to have it."""
        made = Handout()
        devices = self.devices(deployment, name) if deployment else ()
        self._approve(made, devices)
        self._seal(made, value, self.keys(devices, value.scope))
        return made

    def approve_all(self) -> Handout:
        """Return the operator's word for every trusted device that has none."""
        made = Handout()
        self._approve(made, tuple(self.allowed.values()))
        return made

    def devices(self, deployment: Deployment, name: str) -> tuple[Device, ...]:
        """Return the devices a secret of a deployment goes to."""
        ledger = self.opened.ledger
        views = survey.nodes(self.rows.nodes, ledger)
        current = survey.current(self.rows.replicas, ledger.deployments.values())
        sites = Sites(
            nodes=tuple(view for view in views if self._may_hold(view, deployment)),
            current=current,
        )
        found = recipients.recipients(deployment, name, sites)
        return tuple(self.allowed[name] for name in found)

    def _may_hold(self, view: NodeView, deployment: Deployment) -> bool:
        """An approval by a scope is for the secrets of that scope alone.

        `edge.trust.secrets.withheld` says the same once both documents are there.
        """
        device = self.allowed.get(view.name)
        if device is None:
            return False
        is_vouched = device.node is not None and _is_vouched(device)
        word = device.node.scope if is_vouched and device.node else self._word(device)
        return word in {"", deployment.scope}

    @property
    def scope(self) -> str:
        """Return the scope this machine's operator signs for."""
        return self.opened.me.scope.name

    def _word(self, device: Device) -> str:
        """Return the scope of a word given in bulk: it goes no further than the token.

        Otherwise the token of a scope would lead to the secrets of the whole fleet.
        """
        voucher = self.opened.ledger.vouchers[device.enrolled.member.voucher]
        return self.scope or voucher.scope

    def keys(self, devices: Iterable[Device], scope: str) -> dict[str, str]:
        """Return recipient → sealing key of devices and of a scope's operators."""
        keys = {each.id: each.enrolled.member.keys.seal for each in devices}
        opened = self.opened
        return {**keys, **sealed.operators(opened.trust, scope, opened.now())}

    def _approve(self, made: Handout, devices: Iterable[Device]) -> None:
        for device in devices:
            if _is_vouched(device) or device.id in self.approved:
                continue
            self.approved.add(device.id)
            version = self.opened.memory.next_version(f"node/{device.id}")
            now = self.opened.now()
            word = approval.word(device, version, self._word(device), now)
            made.documents.append(word)
            made.notes.append(f"approved {device.name} ({device.id})")

    def _seal(self, made: Handout, value: Value, keys: dict[str, str]) -> None:
        signer, now = self.opened.operator.signer, self.opened.now()
        copies = sealed.seal(value, keys, signer, now)
        made.documents += copies
        count = sum(not one.startswith(sealed.OPERATOR) for one in keys)
        devices = f"{count} device{'' if count == 1 else 's'}"
        made.notes.append(f"sealed {value.name} for {devices}")

    def _opened(self, name: str, scope: str) -> Value:
        """Return a secret's newest value, from the copy sealed to this operator."""
        opened = self.opened
        version = sealed.newest(opened.ledger.secrets.get(name, {}))
        box = opened.boxes.get(name)
        if box is None or box.version < version:
            problem = f"cannot open secret {name}: its newest version was not sealed"
            advice = "have an operator who set it run `edgectl secret sync`"
            raise TrustError("not-sealed-to-us", f"{problem} to this one; {advice}")
        content = trust.open_secret(box, opened.operator.opener, opened.ledger)
        return Value(
            fleet=box.fleet, name=name, version=version, content=content, scope=scope
        )


def learn(opened: Fleet, *, secrets: str = "") -> None:
    """Fetch what handing out needs; ``secrets`` is the prefix of their names."""
    opened.fetch(*DEVICES, f"secret/{secrets}")


def after(views: Iterable[NodeView], made: Handout) -> tuple[NodeView, ...]:
    """Return the devices as the hub will see them once this was handed in.

    A secret that was never set counts as sealed: setting it is all that is missing.
    """
    approved = {each.name for each in made.documents if isinstance(each, Node)}
    return tuple(
        msgspec.structs.replace(
            view,
            sealed=view.sealed | _sealed_to(view.name, made),
            ready=view.ready or view.name in approved,
        )
        for view in views
    )


def _sealed_to(node: str, made: Handout) -> frozenset[str]:
    held = (name for name, holders in made.sealed.items() if node in holders)
    return frozenset((*held, *made.missing))


def sort_devices(opened: Fleet, rows: Rows, ask: Ask) -> Trusted:
    """Return each device as allowed or refused, asking where its token says so."""
    found = Trusted(opened=opened, rows=rows)
    waiting: list[Device] = []
    for device in approval.devices(opened.ledger):
        doubt = trust.doubt(opened.ledger, device.id)
        if doubt is not None:
            found.refused[device.name] = doubt.problem
            continue
        if _is_vouched(device):
            found.allowed[device.name] = device
            continue
        why = approval.refusal(
            device, opened.ledger, opened.memory.first_seen, opened.now()
        )
        voucher = opened.ledger.vouchers[device.enrolled.member.voucher]
        if why is not None:
            found.refused[device.name] = why
        elif voucher.approve:
            waiting.append(device)
        else:
            found.allowed[device.name] = device
    _admit(found, waiting, ask)
    return found


def _admit(found: Trusted, waiting: list[Device], ask: Ask) -> None:
    """Ask once for all devices whose token says that a person must look."""
    if not waiting:
        return
    said = ", ".join(f"{device.name} ({device.id})" for device in waiting)
    is_yes = ask(f"Approve {said}?")
    for device in waiting:
        if is_yes:
            found.allowed[device.name] = device
        else:
            found.refused[device.name] = "it waits for `edgectl node approve`"


def _is_vouched(device: Device) -> bool:
    """Return whether the operator's word is about the keys the device has now."""
    return device.node is not None and device.node.member == device.enrolled.digest
