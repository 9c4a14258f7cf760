"""Who may be given a secret, and how the one who was opens it.

The inside of a box says the same as the outside and is signed too: a box can be made by
anyone, and a value meant for another device, name or version must not pass as this one.
Scopes are compared when it is opened, because a secret may arrive before the deployment
that says whose name it bears.
"""

from edge import documents, envelope, sealing
from edge.documents import Operator, Secret, SecretValue, Trust
from edge.errors import TrustError, WireError
from edge.trust.ledger import Ledger
from edge.trust.verdict import Refused


def doubt(ledger: Ledger, device: str) -> Refused | None:
    """Return why nothing may be entrusted to a device, approved or not.

    Whoever shows us documents may hide the newest: a revocation, or an operator's last
    word on the device. Their counters are remembered, so that is found out.
    """
    enrolled = ledger.members.get(device)
    if enrolled is None:
        return Refused(reason="unknown-device", problem=f"no member {device}")
    node = enrolled.member.name
    if ledger.is_revoked(device):
        return Refused(reason="revoked", problem=f"{node} was revoked")
    for stream in ("trust", "revocation", f"member/{device}", f"node/{device}"):
        if ledger.is_hidden(stream):
            problem = f"the newest {stream} was seen before, and is not shown now"
            return Refused(reason="rolled-back", problem=problem)
    return None


def withheld(ledger: Ledger, name: str, device: str) -> Refused | None:
    """Return why secret ``name`` must not be sealed to a device, None if it may be.

    The chain of a join token makes a device a member; secrets need an operator's word
    on exactly these keys, and by an operator who could deploy under the same name:
    labels of a narrower scope would otherwise attract the secrets of a wider one.
    """
    refused = doubt(ledger, device)
    if refused is not None:
        return refused
    enrolled, approved = ledger.members[device], ledger.nodes.get(device)
    node = enrolled.member.name
    if approved is None or approved.member != enrolled.digest:
        problem = f"no operator approved {node} with these keys"
        return Refused(reason="wrong-member", problem=problem)
    if approved.scope and approved.scope != ledger.owner(_deployment_stream(name)):
        problem = f"{node} was approved by scope {approved.scope!r} alone"
        return Refused(reason="out-of-scope", problem=problem)
    return None


def open_secret(secret: Secret, key: sealing.Opener, ledger: Ledger) -> bytes:
    """Return the secret's bytes; raise `TrustError` unless an operator meant us."""
    owner = ledger.owner(_deployment_stream(secret.name))
    if secret.scope and owner is not None and secret.scope != owner:
        raise _unusable(secret, "out-of-scope", "its deployment has another scope")
    try:
        sealed = envelope.decode(key.open(sealing.from_text(secret.box)))
        if not envelope.signers(sealed) & ledger.operators.keys():
            problem = "no operator signed the inside"
            raise _unusable(secret, "not-authorised", problem)
        value = documents.parse(sealed.payload_type, sealed.body)
        if not isinstance(value, SecretValue) or not _is_same(secret, value):
            problem = "the inside is for something else"
            raise _unusable(secret, "re-wrapped", problem)
        return sealing.from_text(value.value)
    except (WireError, ValueError) as error:
        raise _unusable(secret, "malformed", "the inside is damaged") from error


def _is_same(secret: Secret, value: SecretValue) -> bool:
    return (secret.fleet, secret.name, secret.version, secret.recipient) == (
        value.fleet,
        value.name,
        value.version,
        value.recipient,
    )


def readers(trust: Trust, scope: str, now: float) -> tuple[Operator, ...]:
    """Return the operators whom the secrets of a scope's deployments are for.

    Those of that scope and those without one, as long as their keys are good: the key
    of another scope's operator must not open the whole fleet's secrets. ``now`` in
    seconds since the epoch.
    """
    return tuple(
        each
        for each in trust.operators
        if each.scope.name in {"", scope} and each.expires_at > now
    )


def _deployment_stream(name: str) -> str:
    return f"deployment/{name.partition('/')[0]}"


def _unusable(secret: Secret, reason: str, problem: str) -> TrustError:
    return TrustError(reason, f"cannot use secret {secret.name}: {problem}")
