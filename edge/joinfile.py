"""The join file: what a device needs to find its fleet, know it and be let in.

Plain TOML, so that the standard library reads it on a device. It carries the seed of
a join key: whoever holds the file may add devices until the voucher closes.
`parse` refuses a file that is damaged or put together from two fleets: the voucher must
be of the same fleet and name the public half of the seed. Whether an operator signed
the voucher is judged later, by `edge.trust`, against the root's fingerprint.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from edge import documents, envelope, names, sealing
from edge.documents import Voucher
from edge.errors import ConfigError, WireError

JOIN_MAX = 64 * 1024  # bytes; the largest voucher, in base64, and the rest
HUBS_MAX = 16  # as many as a trust document may name
FLOORS_MAX = 64
FIELDS = frozenset({"fleet", "root", "hubs", "seed", "voucher", "floors"})
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
STREAM = re.compile(r"[A-Za-z0-9_/:-]{1,256}")
NEW_ONE = "make a new one with `edgectl token create`"


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinFile:
    """What `edgectl token create` wrote and `edge-node run --join` reads."""

    fleet: str
    root: str
    """Fingerprint of the root key set the first trust document must carry."""
    hubs: tuple[str, ...]
    """``https://host:port``, tried in order; empty means mDNS alone."""
    seed: bytes = field(repr=False)
    """32 bytes: the private half of the join key."""
    voucher: bytes
    """The encoded envelope an operator signed."""
    floors: Mapping[str, int] = field(default_factory=dict)
    """Stream → the lowest counter to believe, for a device that holds nothing."""


def parse(text: str) -> JoinFile:
    """Return what a join file says; raise `ConfigError` if it cannot be used."""
    if len(text.encode(errors="replace")) > JOIN_MAX:
        raise _unusable(f"it is larger than {JOIN_MAX} bytes")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _unusable(f"it is damaged ({error})") from error
    strange = sorted(table.keys() ^ FIELDS)
    if strange:
        raise _unusable(f"it is no join file of this version ({strange[0]!r})")
    join = JoinFile(
        fleet=_fleet(table["fleet"]),
        root=_root(table["root"]),
        hubs=_hubs(table["hubs"]),
        seed=_seed(table["seed"]),
        voucher=_text(table["voucher"], "voucher").encode(),
        floors=_floors(table["floors"]),
    )
    _check(join, voucher(join))
    return join


def render(join: JoinFile) -> str:
    """Return the text of a join file, with a line that says what it is worth.

    Raises `ConfigError` for what `parse` would refuse.
    """
    terms = voucher(join)
    closes = datetime.fromtimestamp(terms.closes_at, UTC).strftime("%Y-%m-%d %H:%M")
    hubs = ", ".join(f'"{each}"' for each in join.hubs)
    floors = ", ".join(f'"{key}" = {low}' for key, low in sorted(join.floors.items()))
    lines = (
        "# Whoever holds this file can add devices to the fleet: keep it like a key.",
        f"# Site {terms.site}, {terms.uses} devices, until {closes} UTC.",
        f'fleet = "{join.fleet}"',
        f'root = "{join.root}"',
        f"hubs = [{hubs}]",
        f'seed = "{sealing.to_text(join.seed)}"',
        f"voucher = '{join.voucher.decode()}'",
        f"floors = {{ {floors} }}" if floors else "floors = {}",
    )
    text = "\n".join(lines) + "\n"
    parse(text)
    return text


def voucher(join: JoinFile) -> Voucher:
    """Return the voucher inside, unverified; raise `ConfigError` if unreadable."""
    try:
        sealed = envelope.decode(join.voucher)
        document = documents.parse(sealed.payload_type, sealed.body)
    except WireError as error:
        raise _unusable(f"its voucher is damaged ({error})") from error
    if not isinstance(document, Voucher):
        raise _unusable(f"it carries no voucher but a {sealed.payload_type[:60]!r}")
    return document


def _check(join: JoinFile, terms: Voucher) -> None:
    if terms.fleet != join.fleet:
        problem = f"its voucher is of fleet {terms.fleet!r}, not {join.fleet!r}"
        raise _unusable(problem)
    if terms.key != sealing.SigningKey(join.seed).public:
        raise _unusable("its voucher belongs to another seed")


def _fleet(value: object) -> str:
    text = _text(value, "fleet")
    if not names.is_name(text):
        raise _unusable(f"its fleet {text[:80]!r} is no name ({names.NAME_RULE})")
    return text


def _root(value: object) -> str:
    text = _text(value, "root")
    if not DIGEST.fullmatch(text):
        raise _unusable("its root is no fingerprint (sha256: and 64 digits)")
    return text


def _hubs(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > HUBS_MAX:
        raise _unusable(f"its hubs are no list of at most {HUBS_MAX} addresses")
    return tuple(_hub(each) for each in value)


def _hub(value: object) -> str:
    text = _text(value, "hubs")
    try:
        parts = urlsplit(text)
        is_hub = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_hub = False
    if not is_hub or not re.fullmatch(r"[!#-&(-~]+", text):
        raise _unusable(f"its hub {text[:80]!r} is no https:// address")
    return text.rstrip("/")


def _seed(value: object) -> bytes:
    try:
        seed = sealing.from_text(_text(value, "seed"))
    except ValueError as error:
        raise _unusable("its seed is damaged") from error
    if len(seed) != sealing.SEED_BYTES:
        raise _unusable(f"its seed has {len(seed)} bytes, not {sealing.SEED_BYTES}")
    return seed


def _floors(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > FLOORS_MAX:
        raise _unusable(f"its floors are no table of at most {FLOORS_MAX} streams")
    for stream, low in value.items():
        if not STREAM.fullmatch(stream):
            raise _unusable(f"its floors name {stream[:80]!r}, which is no stream")
        if type(low) is not int or not 0 <= low <= names.COUNTER_MAX:
            raise _unusable(f"its floor of {stream!r} is no counter")
    return value


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise _unusable(f"its {key!r} is no text")
    return value


def _unusable(problem: str) -> ConfigError:
    return ConfigError(f"cannot use the join file: {problem}; {NEW_ONE}")
