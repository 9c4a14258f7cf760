"""Sign, verify, seal and open bytes; the only home of libsodium on a device.

Keys travel as unpadded base64url text. Signatures are Ed25519, sealed boxes are
libsodium's X25519 sealed boxes (anonymous sender: who wrote it is said by the signed
document inside, never by the box).
"""

import binascii
import re
from typing import Protocol

import nacl.bindings as sodium
from nacl.exceptions import CryptoError

from edge.errors import TrustError
from edge.names import KEY_SPELLING

SEED_BYTES = 32
KEY_TEXT = re.compile(KEY_SPELLING)
_TO_PLAIN = bytes.maketrans(b"-_", b"+/")
_FROM_PLAIN = bytes.maketrans(b"+/", b"-_")
_ANY_SCALAR = bytes(range(SEED_BYTES))


def to_text(data: bytes) -> str:
    """Return bytes as unpadded base64url."""
    return _spelled(data).decode()


def from_text(text: str) -> bytes:
    """Return the bytes of unpadded base64url; raise ValueError unless exact."""
    given = text.encode("ascii")
    padding = b"=" * (-len(given) % 4)
    data = binascii.a2b_base64(given.translate(_TO_PLAIN) + padding)
    # The decoder passes over what it does not know, so look at it from the other end.
    if _spelled(data) != given:
        raise binascii.Error("not in its one regular spelling")
    return data


def _spelled(data: bytes) -> bytes:
    plain = binascii.b2a_base64(data, newline=False)
    return plain.rstrip(b"=").translate(_FROM_PLAIN)


class Signer(Protocol):
    """Whatever signs with an Ed25519 key: the key itself, or an agent that has it."""

    @property
    def public(self) -> str:
        """Return the public half."""

    def sign(self, message: bytes) -> bytes:
        """Return the detached signature, 64 bytes."""


class Opener(Protocol):
    """Whatever opens boxes sealed to an X25519 key."""

    def open(self, box: bytes) -> bytes:
        """Return what was sealed to this key; raise `TrustError` if it was not."""


class SigningKey:
    """An Ed25519 private key, made from its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        """Expand the seed once; signing is then cheap."""
        public, self._secret = sodium.crypto_sign_seed_keypair(seed)
        self.seed = seed
        self.public = to_text(public)

    def __repr__(self) -> str:
        """Never show the private half."""
        return f"SigningKey({self.public})"

    def sign(self, message: bytes) -> bytes:
        """Return the detached signature, 64 bytes."""
        return sodium.crypto_sign(message, self._secret)[: sodium.crypto_sign_BYTES]


class OpeningKey:
    """An X25519 private key, made from its 32-byte seed, that opens sealed boxes."""

    def __init__(self, seed: bytes) -> None:
        """Expand the seed once."""
        public, self._secret = sodium.crypto_box_seed_keypair(seed)
        self._public = public
        self.seed = seed
        self.public = to_text(public)

    def __repr__(self) -> str:
        """Never show the private half."""
        return f"OpeningKey({self.public})"

    def open(self, box: bytes) -> bytes:
        """Return what was sealed to this key; raise `TrustError` if it was not."""
        try:
            return sodium.crypto_box_seal_open(box, self._public, self._secret)
        except (CryptoError, TypeError, ValueError) as error:
            problem = "cannot open a sealed box: it was not sealed to this key"
            raise TrustError("not-sealed-to-us", problem) from error


class PairKey:
    """The key that two X25519 owners share; either seals for the other with it."""

    def __init__(self, private: bytes, public: str) -> None:
        """Agree once; raise `TrustError` for a key that keeps no secret."""
        try:
            self._key = sodium.crypto_box_beforenm(from_text(public), private)
        except (CryptoError, ValueError, TypeError) as error:
            problem = f"cannot agree with {public[:64]!r}: it is no key that keeps one"
            raise TrustError("malformed", problem) from error

    def seal(self, nonce: bytes, content: bytes) -> bytes:
        """Return the box, 16 bytes longer; a nonce of 24 bytes is used only once."""
        return sodium.crypto_box_easy_afternm(content, nonce, self._key)

    def open(self, nonce: bytes, box: bytes) -> bytes | None:
        """Return what the other one sealed, None for anything else."""
        try:
            return sodium.crypto_box_open_easy_afternm(box, nonce, self._key)
        except (CryptoError, ValueError, TypeError):
            return None


def exchange_public(private: bytes) -> str:
    """Return the X25519 public key of 32 private bytes (RFC 7748 clamps them).

    Raises ValueError for any other length: libsodium would read past the end.
    """
    if len(private) != SEED_BYTES:
        raise ValueError(f"cannot use {len(private)} bytes as a private key of 32")
    return to_text(sodium.crypto_scalarmult_base(private))


def is_key(text: str) -> bool:
    """Return whether ``text`` is the regular spelling of a 32-byte public key."""
    return KEY_TEXT.fullmatch(text) is not None


def can_seal(public: str) -> bool:
    """Return whether sealing to an X25519 key keeps a secret.

    A few points (of low order) give everyone the same shared secret: RFC 7748, 6.1.
    """
    if not is_key(public):
        return False
    try:
        sodium.crypto_scalarmult(_ANY_SCALAR, from_text(public))
    except CryptoError:
        return False
    return True


def is_signed(public: str, message: bytes, signature: str) -> bool:
    """Return whether ``signature`` (base64url) over ``message`` holds under the key."""
    try:
        signed = from_text(signature) + message
        if not is_key(public) or len(signed) != len(message) + sodium.crypto_sign_BYTES:
            return False
        sodium.crypto_sign_open(signed, from_text(public))
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def lock(key: bytes, content: bytes) -> bytes:
    """Return ``content`` in a box that a key of 32 bytes opens, nonce in front."""
    nonce = sodium.randombytes(sodium.crypto_secretbox_NONCEBYTES)
    return nonce + sodium.crypto_secretbox(content, nonce, key)


def unlock(key: bytes, box: bytes) -> bytes:
    """Return what was locked with a key; raise `TrustError` if it was not."""
    nonce, rest = (
        box[: sodium.crypto_secretbox_NONCEBYTES],
        box[sodium.crypto_secretbox_NONCEBYTES :],
    )
    try:
        return sodium.crypto_secretbox_open(rest, nonce, key)
    except (CryptoError, TypeError, ValueError) as error:
        problem = "cannot open a box: it was not locked with this key"
        raise TrustError("malformed", problem) from error


def new_key() -> bytes:
    """Return a fresh key for `lock`."""
    return sodium.randombytes(sodium.crypto_secretbox_KEYBYTES)


def seal(public: str, content: bytes) -> bytes:
    """Return ``content`` sealed to the X25519 key; raise `TrustError` for a bad one."""
    try:
        return sodium.crypto_box_seal(content, from_text(public))
    except (CryptoError, ValueError, TypeError) as error:
        problem = f"cannot seal to {public[:64]!r}: it is no key that keeps a secret"
        raise TrustError("malformed", problem) from error
