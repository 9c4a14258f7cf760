"""How datagrams are sealed and rumours signed: for real, and in clear for simulations.

Each pair of devices has one key (X25519, libsodium's box); the header of a datagram is
its nonce and is authenticated with it. Keys come from the roster: whoever is not in
there can neither seal for us nor read us.
"""

import hashlib
from collections.abc import Mapping
from typing import Protocol

from edge import sealing
from edge.sealing import PairKey, Signer
from netmesh.view import Roster
from netmesh.wire import HEADER_BYTES, SEAL_BYTES

NONCE_PADDING = b"\0" * 4  # header without its version, 20 bytes, to libsodium's 24


class Cipher(Protocol):
    """Whatever keeps datagrams and rumours authentic."""

    def set_roster(self, roster: Roster) -> None:
        """Take the keys of these devices and of no others."""

    def seal(self, device: str, header: bytes, plain: bytes) -> bytes:
        """Return header and sealed content for a device of the roster."""

    def open(self, device: str, datagram: bytes) -> bytes | None:
        """Return the content if this device sealed it for us."""

    def sign(self, message: bytes) -> bytes:
        """Return our signature, 64 bytes."""

    def is_signed(self, device: str, message: bytes, signature: bytes) -> bool:
        """Return whether a device of the roster signed it."""


class PairCipher:
    """The real one."""

    def __init__(self, mesh: bytes, signer: Signer) -> None:
        """Take the device's private X25519 mesh key and what signs for it."""
        self._mesh = mesh
        self._signer = signer
        self._keys: dict[str, tuple[str, PairKey]] = {}
        self._signers: Mapping[str, str] = {}

    def set_roster(self, roster: Roster) -> None:
        """Make the pairwise keys; those that stay are kept."""
        before, self._keys = self._keys, {}
        self._signers = {each.device: each.sign for each in roster.members.values()}
        for each in roster.members.values():
            known = before.get(each.device)
            if known is not None and known[0] == each.mesh:
                self._keys[each.device] = known
            elif sealing.can_seal(each.mesh):
                pair = PairKey(self._mesh, each.mesh)
                self._keys[each.device] = (each.mesh, pair)

    def seal(self, device: str, header: bytes, plain: bytes) -> bytes:
        """Return header and box; the header is part of the nonce."""
        return header + self._keys[device][1].seal(_nonce(header), plain)

    def open(self, device: str, datagram: bytes) -> bytes | None:
        """Return the content, None for a forgery or a stranger."""
        known = self._keys.get(device)
        if known is None:
            return None
        return known[1].open(_nonce(datagram), datagram[HEADER_BYTES:])

    def sign(self, message: bytes) -> bytes:
        """Return the device's Ed25519 signature."""
        return self._signer.sign(message)

    def is_signed(self, device: str, message: bytes, signature: bytes) -> bool:
        """Return whether the signature holds under the key in the roster."""
        public = self._signers.get(device, "")
        return sealing.is_signed(public, message, sealing.to_text(signature))


class ClearCipher:
    """Seals nothing, and takes as long as nothing: for whole fleets in one process.

    Sizes are the real ones. A signature is a hash that names its device, so that what
    nobody said is still refused.
    """

    def __init__(self, device: str) -> None:
        """Sign as ``device``."""
        self._device = device
        self._members: frozenset[str] = frozenset()

    def set_roster(self, roster: Roster) -> None:
        """Know who belongs."""
        self._members = frozenset(roster.members)

    def seal(self, device: str, header: bytes, plain: bytes) -> bytes:  # noqa: ARG002
        """Return header and content, as long as sealed ones."""
        return header + b"\0" * SEAL_BYTES + plain

    def open(self, device: str, datagram: bytes) -> bytes | None:
        """Return the content of a member's datagram."""
        if device not in self._members:
            return None
        return datagram[HEADER_BYTES + SEAL_BYTES :]

    def sign(self, message: bytes) -> bytes:
        """Return a hash of device and message."""
        return _clear_signature(self._device, message)

    def is_signed(self, device: str, message: bytes, signature: bytes) -> bool:
        """Return whether that device said it."""
        return signature == _clear_signature(device, message)


def _nonce(header: bytes) -> bytes:
    return header[1:HEADER_BYTES] + NONCE_PADDING


def _clear_signature(device: str, message: bytes) -> bytes:
    return hashlib.blake2b(message, key=device.encode()[:64]).digest()
