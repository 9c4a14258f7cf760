"""Open a sealed secret and check that the inside says the same as the outside."""

from edge import documents, envelope, sealing
from edge.documents import Secret, SecretValue
from edge.errors import TrustError
from edge.trust.ledger import Ledger


def open_secret(secret: Secret, key: sealing.Opener, ledger: Ledger) -> bytes:
    """Return the secret's bytes; raise `TrustError` unless an operator meant us.

    The signature inside the box is what counts: a box can be made by anyone, and a
    value that was meant for another device, name or version must not pass as this one.
    """
    content = key.open(sealing.from_text(secret.box))
    sealed = envelope.decode(content)
    signers = envelope.signers(sealed)
    if not signers & ledger.operators.keys():
        problem = f"cannot use secret {secret.name}: no operator signed the inside"
        raise TrustError("not-authorised", problem)
    value = documents.parse(sealed.payload_type, sealed.body)
    if not isinstance(value, SecretValue) or not _is_same(secret, value):
        problem = f"cannot use secret {secret.name}: the inside is for something else"
        raise TrustError("re-wrapped", problem)
    return sealing.from_text(value.value)


def _is_same(secret: Secret, value: SecretValue) -> bool:
    return (secret.fleet, secret.name, secret.version, secret.recipient) == (
        value.fleet,
        value.name,
        value.version,
        value.recipient,
    )
