"""Who this device is: five private keys, one for each use, born here and never sent.

They are made once from the kernel's randomness and written before anything is said to
anyone, so that an interrupted enrolment resumes with the same device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge import sealing
from edge.documents import DeviceKeys
from edge.errors import Damaged, StoreError
from edge.names import DeviceId
from edge.trust.devices import device_id
from node import checked

KEYS_MAX = 4096  # bytes; the file is about 400
Random = Callable[[int], bytes]


class _Seeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sign: str
    seal: str
    mesh: str
    wireguard: str
    tls: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The device's keys; ``tls`` is the 32-byte seed of its Ed25519 TLS key.

    ``mesh`` is the private X25519 key that datagrams of the mesh are sealed with.
    """

    sign: sealing.SigningKey
    seal: sealing.OpeningKey
    public: DeviceKeys
    tls: bytes
    mesh: bytes

    @property
    def device(self) -> DeviceId:
        """Return the id everyone can derive from the signing key."""
        return device_id(self.public.sign)


def load(path: Path) -> Identity | None:
    """Return the device's identity, None when it has none yet.

    Raises `Damaged` when the file is: a device without its keys is another
    device, and only an operator may decide that. Raises `StoreError` when the disk
    does not give it now: it may later.
    """
    try:
        content = checked.read(path, at_most=KEYS_MAX)
        if content is None:
            return None
        return _identity(msgspec.json.decode(content, type=_Seeds))
    except (StoreError, msgspec.MsgspecError, ValueError) as error:
        if isinstance(error.__cause__, OSError):
            raise
        problem = (
            f"cannot use the device's keys in {path}: the file is damaged; "
            "restore it, or move the state folder aside and enrol anew"
        )
        raise Damaged(problem) from error


def create(path: Path, random: Random) -> Identity:
    """Make a new identity and write it before returning it."""
    names = _Seeds.__struct_fields__
    seeds = _Seeds(
        **{name: sealing.to_text(random(sealing.SEED_BYTES)) for name in names}
    )
    checked.write(path, msgspec.json.encode(seeds))
    return _identity(seeds)


def _identity(seeds: _Seeds) -> Identity:
    sign = sealing.SigningKey(sealing.from_text(seeds.sign))
    seal = sealing.OpeningKey(sealing.from_text(seeds.seal))
    tls = sealing.from_text(seeds.tls)
    public = DeviceKeys(
        sign=sign.public,
        seal=seal.public,
        mesh=sealing.exchange_public(sealing.from_text(seeds.mesh)),
        wireguard=sealing.exchange_public(sealing.from_text(seeds.wireguard)),
        tls=sealing.SigningKey(tls).public,
    )
    mesh = sealing.from_text(seeds.mesh)
    return Identity(sign=sign, seal=seal, public=public, tls=tls, mesh=mesh)
