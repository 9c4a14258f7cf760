"""Ask the agent to sign and open, and start it when it is needed.

A Unix socket of this user alone: the folder is 0700, the socket 0600, and each side
checks the other's user id by the kernel's word (SO_PEERCRED), so that no key is given
to a stranger's socket. One request for each connection.
"""

import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from edge import files, sealing
from edge.ctl import home, keyring
from edge.ctl.keyring import Answer, Held
from edge.ctl.keys import OperatorKey
from edge.errors import ConfigError

SOCKET = "agent.sock"
ANSWER_WITHIN = 10.0  # seconds; signing takes microseconds, a busy machine more
PATH_MAX = 107  # sun_path of Linux, without its final zero byte
BACKLOG = 16
CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class AgentSigner:
    """An operator's signing key that only the agent holds."""

    def __init__(self, path: Path, public: str) -> None:
        """Remember where to ask, and for which key."""
        self._path = path
        self.public = public

    def sign(self, message: bytes) -> bytes:
        """Return the detached signature, 64 bytes."""
        request = keyring.Sign(key=self.public, message=sealing.to_text(message))
        return sealing.from_text(_value(self._path, request))


class AgentOpener:
    """An operator's sealing key that only the agent holds."""

    def __init__(self, path: Path, public: str) -> None:
        """Remember where to ask; ``public`` is the operator's *signing* key."""
        self._path = path
        self._key = public

    def open(self, box: bytes) -> bytes:
        """Return what was sealed to the operator."""
        request = keyring.Open(key=self._key, box=sealing.to_text(box))
        return sealing.from_text(_value(self._path, request))


def path() -> Path:
    """Return where the agent listens for this user and this home."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and not os.environ.get("EDGE_HOME"):
        return Path(runtime) / "tutti" / SOCKET
    return home.folder() / SOCKET


def find(public: str) -> OperatorKey | None:
    """Return the operator key if the agent holds it, None if not or if none runs."""
    for held in shown():
        if held.public == public:
            return OperatorKey(
                name=held.name,
                public=public,
                seal=held.seal,
                signer=AgentSigner(path(), public),
                opener=AgentOpener(path(), public),
            )
    return None


def shown() -> tuple[Held, ...]:
    """Return the keys the agent holds; none when no agent runs."""
    answer = _ask(path(), keyring.Show())
    return answer.keys if answer else ()


def hold(name: str, seeds: bytes, hold_for: float) -> None:
    """Give an operator key to the agent for so many seconds, starting it if needed."""
    where = path()
    if _ask(where, keyring.Show()) is None:
        _start(where)
    request = keyring.Add(name=name, seeds=sealing.to_text(seeds), hold_for=hold_for)
    _value(where, request)


def lock() -> bool:
    """Have the agent forget every key and leave; return whether one was there."""
    return _ask(path(), keyring.Forget()) is not None


def is_ours(peer: socket.socket) -> bool:
    """Return whether the other end belongs to this user, by the kernel's word."""
    size = CREDENTIALS.size
    found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, uid, _ = CREDENTIALS.unpack(found)
    return bool(uid == os.getuid())


def _value(where: Path, request: keyring.AnyRequest) -> str:
    answer = _ask(where, request)
    if answer is None:
        raise ConfigError("cannot use the agent: it left; run `edgectl key unlock`")
    if answer.problem:
        raise ConfigError(answer.problem)
    return answer.value


def _ask(where: Path, request: keyring.AnyRequest) -> Answer | None:
    """Return the agent's answer, None when there is no agent of ours."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(ANSWER_WITHIN)
        try:
            peer.connect(str(where))
        except OSError:
            return None
        if not is_ours(peer):
            raise ConfigError(f"cannot use {where}: it is another user's agent")
        try:
            peer.sendall(msgspec.json.encode(request) + b"\n")
            with peer.makefile("rb") as stream:
                line = stream.readline(keyring.MESSAGE_MAX)
        except OSError:
            return None  # it left at this very moment
    try:
        return msgspec.json.decode(line, type=Answer) if line else None
    except msgspec.MsgspecError as error:
        problem = f"cannot understand the agent at {where}: {error}"
        raise ConfigError(f"{problem}; run `edgectl key lock`") from error


def _start(where: Path) -> None:
    """Start the agent with a socket that listens already, so nobody has to wait."""
    import subprocess  # 5 ms that a deploy need not pay

    with _listening(where) as listener:
        number = listener.fileno()
        # It forks and returns: the agent is nobody's child.
        subprocess.run(
            (sys.executable, "-m", "edge.ctl.agent_process", str(number), str(where)),
            pass_fds=(number,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            check=True,
        )


def _listening(where: Path) -> socket.socket:
    if len(os.fsencode(where)) > PATH_MAX:
        problem = f"cannot start the agent: the path {where} is too long for a socket"
        raise ConfigError(f"{problem}; set EDGE_HOME to a shorter one")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        where.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
        where.parent.chmod(files.PRIVATE_FOLDER)
        with suppress(FileNotFoundError):
            where.unlink()
        listener.bind(str(where))
        where.chmod(files.PRIVATE)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot start the agent at {where}: {error}") from error
    return listener
