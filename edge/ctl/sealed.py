"""Make and read the two layers of a secret: signed inside, sealed, signed outside.

The inside says name, version and recipient, so a box cannot pass for another one; the
outside says the same for hub and broker, who see nothing else. One version number for
all recipients of one value: the operators' copies carry it, a newcomer gets the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge import documents, sealing
from edge.documents import Secret, SecretValue, Trust
from edge.errors import ConfigError
from edge.names import is_name
from edge.sealing import Signer
from edge.trust import readers

VALUE_MAX = 64 * 1024  # bytes
OPERATOR = "operator:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A secret's value, opened, on this machine alone."""

    fleet: str
    name: str
    """``deployment/short-name``."""
    version: int
    content: bytes = field(repr=False)
    scope: str = ""
    """The scope its deployment belongs to."""


def check_name(name: str) -> tuple[str, str]:
    """Return (deployment, short name); raise `ConfigError` for no secret's name."""
    deployment, separator, short = name.partition("/")
    if not (separator and is_name(deployment) and is_name(short)):
        problem = f"cannot name a secret {name!r}: write DEPLOYMENT/NAME"
        raise ConfigError(f"{problem}, such as sensor/token")
    return deployment, short


def check_value(content: bytes) -> bytes:
    """Return the value; raise `ConfigError` when it is empty or too large."""
    if not content:
        raise ConfigError("cannot set an empty secret; `edgectl delete` ends its use")
    if len(content) > VALUE_MAX:
        problem = f"cannot set a secret of {len(content)} bytes"
        raise ConfigError(f"{problem}: at most {VALUE_MAX}")
    return content


def operators(trust: Trust, scope: str, now: float) -> dict[str, str]:
    """Return recipient → sealing key of the operators a scope's secrets are for."""
    return {f"{OPERATOR}{each.key}": each.seal for each in readers(trust, scope, now)}


def seal(
    value: Value, recipients: Mapping[str, str], signer: Signer, now: float
) -> tuple[Secret, ...]:
    """Return one document for each recipient (id → sealing key), by recipient."""
    return tuple(
        _seal(value, recipient, recipients[recipient], signer, now)
        for recipient in sorted(recipients)
    )


def lacking(
    heads: Mapping[str, int], version: int, recipients: Iterable[str]
) -> tuple[str, ...]:
    """Return the recipients that hold no copy of this version, sorted.

    ``heads`` is recipient → version of the newest copy there is.
    """
    return tuple(sorted(one for one in recipients if heads.get(one, 0) < version))


def newest(heads: Mapping[str, int]) -> int:
    """Return the newest version operators hold of a secret, 0 when it was never set."""
    return max(
        (number for one, number in heads.items() if one.startswith(OPERATOR)),
        default=0,
    )


def _seal(value: Value, recipient: str, key: str, signer: Signer, now: float) -> Secret:
    inside = SecretValue(
        fleet=value.fleet,
        name=value.name,
        version=value.version,
        recipient=recipient,
        value=sealing.to_text(value.content),
    )
    box = sealing.seal(key, documents.sign(inside, signer))
    return Secret(
        fleet=value.fleet,
        name=value.name,
        version=value.version,
        recipient=recipient,
        box=sealing.to_text(box),
        issued_at=now,
        scope=value.scope,
    )
