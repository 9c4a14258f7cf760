"""Root and operator keys as files of this machine, and how they are unlocked.

A key file is JSON, 0600. What is private in it is encrypted under a passphrase
(argon2id, XSalsa20-Poly1305), or plain when that was asked for. The cost of guessing
is stored beside it, so it can rise later without making old files unreadable.

The root key signs trust documents alone, and never enters the agent. The operator key
is two: one signs, one opens what was sealed to the operators.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import nacl.bindings as sodium
from msgspec import Meta
from nacl.exceptions import CryptoError

from edge import files, sealing
from edge.errors import ConfigError, StoreError
from edge.model import Value
from edge.names import KeyText, Short

KEY_FILE_MAX = 16 * 1024  # bytes; ours have under 600
# libsodium's "moderate": 256 MiB and 0.6 s a guess here.
OPERATIONS = 3
MEMORY = 256 * 1024 * 1024
MEMORY_MAX = 4 * 1024**3  # a bent file must not ask for all the memory there is
OPERATIONS_MAX = 64
PASSPHRASE_MIN = 8  # characters; fewer are guessed in hours, argon2id or not
PASSPHRASE_MAX = 1024
ENVIRONMENT = "EDGE_PASSPHRASE_FILE"

Kind = Literal["root", "operator"]


class KeyFile(Value, frozen=True):
    """A key at rest; ``salt`` is empty when ``body`` is not encrypted."""

    kind: Kind
    name: Short
    public: KeyText
    body: Short
    """Base64url of the seed (root) or of both seeds (operator), in a box or plain."""
    seal: Annotated[str, Meta(pattern=r"\A([A-Za-z0-9_-]{43})?\Z")] = ""
    """An operator's public sealing key."""
    salt: Short = ""
    operations: Annotated[int, Meta(ge=0, le=OPERATIONS_MAX)] = 0
    memory: Annotated[int, Meta(ge=0, le=MEMORY_MAX)] = 0

    @property
    def is_locked(self) -> bool:
        """Return whether a passphrase is needed."""
        return bool(self.salt)


class OperatorKey(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's unlocked key, here or in the agent."""

    name: str
    public: str
    seal: str
    signer: sealing.Signer
    opener: sealing.Opener


def make(kind: Kind, name: str, passphrase: str | None) -> KeyFile:
    """Return a new key as it will be written; ``passphrase`` None leaves it plain."""
    count = 1 if kind == "root" else 2
    body = secrets.token_bytes(count * sealing.SEED_BYTES)
    public = sealing.SigningKey(body[: sealing.SEED_BYTES]).public
    plain = KeyFile(
        kind=kind,
        name=name,
        public=public,
        seal=_opening(body).public if kind == "operator" else "",
        body=sealing.to_text(body),
    )
    return plain if passphrase is None else _lock(plain, body, passphrase)


def write(path: Path, key: KeyFile) -> None:
    """Write a key file, 0600."""
    content = msgspec.json.format(msgspec.json.encode(key), indent=2)
    files.write(path, content)


def read(path: Path) -> KeyFile:
    """Return the key in a file; raise `ConfigError` if it cannot be used or trusted."""
    content = files.read(path, at_most=KEY_FILE_MAX)
    if content is None:
        problem = f"cannot sign: there is no key at {path}"
        raise ConfigError(f"{problem}; this needs the machine that holds it")
    _check_private(path)
    try:
        return msgspec.json.decode(content, type=KeyFile)
    except msgspec.MsgspecError as error:
        problem = f"cannot read the key {path}: {error}; restore it from its backup"
        raise StoreError(problem) from error


def seeds(key: KeyFile, passphrase: str | None) -> bytes:
    """Return what is private in a key; raise `ConfigError` for a wrong passphrase."""
    try:
        body = sealing.from_text(key.body)
        if key.is_locked:
            body = _unlock(key, body, passphrase or "")
    except (CryptoError, ValueError, TypeError) as error:
        what = f"the {key.kind} key of {key.name!r}"
        problem = f"cannot unlock {what}: wrong passphrase, or the file is damaged"
        raise ConfigError(problem) from error
    if sealing.SigningKey(body[: sealing.SEED_BYTES]).public != key.public:
        raise ConfigError(f"cannot use the {key.kind} key of {key.name!r}: damaged")
    return body


def root(path: Path) -> sealing.SigningKey:
    """Return the root key, asking for its passphrase when it has one."""
    key = _of_kind(path, "root")
    return sealing.SigningKey(seeds(key, _passphrase_of(key)))


def unlock(path: Path) -> tuple[OperatorKey, bytes]:
    """Return an operator key from its file, and its seeds for the agent."""
    key = _of_kind(path, "operator")
    body = seeds(key, _passphrase_of(key))
    return from_seeds(key.name, body), body


def from_seeds(name: str, body: bytes) -> OperatorKey:
    """Return the operator key that 64 bytes of seeds make."""
    signer = sealing.SigningKey(body[: sealing.SEED_BYTES])
    opener = _opening(body)
    return OperatorKey(
        name=name,
        public=signer.public,
        seal=opener.public,
        signer=signer,
        opener=opener,
    )


def new_passphrase(subject: str) -> str:
    """Return a passphrase for a new key, typed twice or read from its file."""
    said = _from_file()
    passphrase = _typed(f"New passphrase for {subject}: ", said)
    if len(passphrase) < PASSPHRASE_MIN:
        problem = f"cannot use a passphrase of {len(passphrase)} characters"
        raise ConfigError(f"{problem}: at least {PASSPHRASE_MIN}")
    if _typed("The same again: ", said) != passphrase:
        raise ConfigError("cannot use the passphrase: the two differ; try again")
    return passphrase


def _lock(plain: KeyFile, body: bytes, passphrase: str) -> KeyFile:
    salt = secrets.token_bytes(sodium.crypto_pwhash_SALTBYTES)
    nonce = secrets.token_bytes(sodium.crypto_secretbox_NONCEBYTES)
    stretched = _stretched(passphrase, salt, OPERATIONS, MEMORY)
    box = nonce + sodium.crypto_secretbox(body, nonce, stretched)
    return msgspec.structs.replace(
        plain,
        body=sealing.to_text(box),
        salt=sealing.to_text(salt),
        operations=OPERATIONS,
        memory=MEMORY,
    )


def _unlock(key: KeyFile, box: bytes, passphrase: str) -> bytes:
    salt = sealing.from_text(key.salt)
    stretched = _stretched(passphrase, salt, key.operations, key.memory)
    nonce, body = (
        box[: sodium.crypto_secretbox_NONCEBYTES],
        box[sodium.crypto_secretbox_NONCEBYTES :],
    )
    return sodium.crypto_secretbox_open(body, nonce, stretched)


def _stretched(passphrase: str, salt: bytes, operations: int, memory: int) -> bytes:
    return sodium.crypto_pwhash_alg(
        sodium.crypto_secretbox_KEYBYTES,
        passphrase.encode(),
        salt,
        operations,
        memory,
        sodium.crypto_pwhash_ALG_ARGON2ID13,
    )


def _opening(body: bytes) -> sealing.OpeningKey:
    return sealing.OpeningKey(body[sealing.SEED_BYTES :])


def _of_kind(path: Path, kind: Kind) -> KeyFile:
    key = read(path)
    if key.kind != kind:
        raise ConfigError(f"cannot use {path}: it is the {key.kind} key, not {kind}")
    return key


def _check_private(path: Path) -> None:
    """A key that others can read has to be taken for known; ssh refuses it too."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        problem = f"cannot use the key {path}: others on this machine may read it"
        raise ConfigError(f"{problem}; run `chmod 600 {path}`, or replace the key")


def _passphrase_of(key: KeyFile) -> str | None:
    if not key.is_locked:
        return None
    said = _from_file()
    return _typed(f"Passphrase of the {key.kind} key {key.name!r}: ", said)


def _from_file() -> str | None:
    """Return the passphrase in the file that the environment names, None for none."""
    chosen = os.environ.get(ENVIRONMENT)
    if not chosen:
        return None
    content = files.read(Path(chosen), at_most=PASSPHRASE_MAX)
    if content is None:
        raise ConfigError(f"cannot read the passphrase: there is no {chosen}")
    try:
        return content.decode().strip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read the passphrase in {chosen}: no text") from error


def _typed(prompt: str, said: str | None) -> str:
    """Return what a file said already, or what a person types at the terminal."""
    if said is not None:
        return said
    import getpass

    try:  # stdin may be a secret on its way; the terminal is asked, or nobody
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError as error:
        problem = f"cannot ask for a passphrase: no terminal; set {ENVIRONMENT}"
        raise ConfigError(f"{problem} or run `edgectl key unlock` first") from error
    return getpass.getpass(prompt)
