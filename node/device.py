"""This device as it stands on its disk: keys, documents, what is believed.

`open_device` is the first thing every command does; it makes the keys on the very first
start and judges every stored document again on all others.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge import files, names, tls, trust
from edge.documents import Secret
from edge.errors import ConfigError, Damaged, TrustError
from edge.joinfile import DIGEST, JoinFile
from edge.trust import Ledger
from node import identity
from node.identity import Identity, Random
from node.settings import Settings
from node.store import Store

ANCHOR = "anchor"
ANCHOR_MAX = 1024  # bytes: a fleet's name and a fingerprint
CERTIFICATE = "certificate.pem"
KEYS = "keys.json"
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a device is: keys, disk, what it believes, and its wall clock."""

    identity: Identity
    store: Store
    ledger: Ledger
    clock: Clock
    """Seconds since the epoch; may say 1970."""

    @property
    def name(self) -> str:
        """Return the node name, "" before enrolment."""
        enrolled = self.ledger.members.get(self.identity.device)
        return enrolled.member.name if enrolled else ""

    @property
    def certificate(self) -> Path:
        """Return where the client certificate is."""
        return self.store.folder / CERTIFICATE

    @property
    def is_enrolled(self) -> bool:
        """Return whether this device is a member.

        Its certificate was stored before; one that was lost is issued again.
        """
        return bool(self.name)

    def open_secret(self, name: str) -> bytes:
        """Return the plain value of a secret by its full name.

        Raises `TrustError` when it is not here, or not what its outside says.
        """
        me = self.identity
        document = self.store.document(f"secret/{name}/{me.device}")
        if not isinstance(document, Secret):
            problem = f"cannot open secret {name}: its file is not on this disk"
            raise TrustError("not-sealed-to-us", problem)
        return trust.open_secret(document, me.seal, self.ledger)

    def judge_peer(self, certificate: object) -> None:
        """Judge a server's certificate by the floor; raise `TrustError`.

        Not by our clock: a board whose clock chip lost its battery may say 1970 or
        2100, and would be cut off from all who could help it. What a server says is
        signed, or nobody believes it.
        """
        if isinstance(certificate, dict):
            tls.check_validity(certificate, self.ledger.floor, self.ledger.floor)


def open_device(
    settings: Settings, join: JoinFile | None, random: Random, clock: Clock
) -> Device:
    """Return the device in the state folder; with a join file it may be a new one.

    Raises `Damaged` when what says who it is means nothing any more.
    """
    folder = settings.state
    if _is_member(folder) and not _anchor(folder)[0]:
        problem = f"cannot use {folder}: this device forgot which fleet it is in"
        advice = "restore its anchor, or move the folder aside and enrol anew"
        raise Damaged(f"{problem}; {advice}")
    if join is not None:
        _remember_anchor(folder, join)
    fleet, root = _anchor(folder)
    if not fleet:
        problem = f"cannot open {folder}: this device belongs to no fleet yet"
        raise ConfigError(f"{problem}; run it with --join FILE once")
    keys = identity.load(folder / KEYS) or identity.create(folder / KEYS, random)
    ledger = Ledger(fleet=fleet, anchor=root, me=keys.device)
    store = Store(folder)
    store.load(ledger)
    return Device(identity=keys, store=store, ledger=ledger, clock=clock)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the state folder alone; two daemons on one device would undo each other."""
    folder.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        problem = f"cannot use {folder}: another edge-node runs on it; end that first"
        raise ConfigError(problem) from error
    finally:
        os.close(descriptor)


def _anchor(folder: Path) -> tuple[str, str]:
    """Return the fleet and its root's fingerprint, twice "" where a file says neither.

    A worn block of flash is rarely empty: it comes back as zeros, or as anything.
    """
    content = files.read(folder / ANCHOR, at_most=ANCHOR_MAX) or b""
    fleet, _, root = content.decode("ascii", "replace").strip().partition(" ")
    is_whole = names.is_name(fleet) and DIGEST.fullmatch(root)
    return (fleet, root) if is_whole else ("", "")


def _is_member(folder: Path) -> bool:
    """Return whether a fleet took the device in; its documents may be damaged."""
    has_document = any((folder / "documents").glob("member+*"))
    return has_document or (folder / CERTIFICATE).exists()


def _remember_anchor(folder: Path, join: JoinFile) -> None:
    """Pin the join file's fleet; once enrolled, no join file changes that."""
    held, offered = _anchor(folder), (join.fleet, join.root)
    if not _is_member(folder):
        if held != offered:
            files.write(folder / ANCHOR, f"{join.fleet} {join.root}\n".encode())
        return
    if held[0] != join.fleet:
        problem = f"cannot join fleet {join.fleet!r}: this device is in {held[0]!r}"
        raise ConfigError(f"{problem}; move {folder} aside to start over")
