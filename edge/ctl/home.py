"""Where edgectl keeps things: a folder of contexts, one of them the current one.

``EDGE_HOME``, or ``tutti`` in ``XDG_CONFIG_HOME`` (``~/.config``). A context is a fleet
and a hub to talk to; its folder holds keys, the trust document and what this machine
saw. One file says which context is current; every change replaces it whole, under a
lock, so two commands at once leave one of the two answers and never half of each.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge import files, names
from edge.ctl.exits import not_found
from edge.errors import ConfigError, StoreError
from edge.model import Value

CONTEXTS = "contexts.json"
CONTEXTS_MAX = 1024 * 1024  # bytes; some hundred per context
FOLDER = "contexts"


class Context(Value, frozen=True):
    """A fleet and the hub to ask about it."""

    fleet: str
    anchor: str
    """Fingerprint of the root key set the fleet began with."""
    hub: str = ""
    """``https://host:port``; empty until a hub is adopted."""
    insecure_registries: tuple[str, ...] = ()
    """``host:port`` of registries that are asked without TLS."""
    before: str = ""
    """What was current before this one; it is again when this one is removed."""


class Contexts(Value, frozen=True):
    """The whole of ``contexts.json``."""

    current: str = ""
    contexts: dict[str, Context] = {}  # noqa: RUF012 - msgspec copies it


def folder() -> Path:
    """Return the home of edgectl on this machine; it may not be there yet."""
    chosen = os.environ.get("EDGE_HOME")
    if chosen:
        return Path(chosen)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "tutti"


def context_folder(name: str, home: Path | None = None) -> Path:
    """Return where keys and memory of a context are."""
    return (home or folder()) / FOLDER / name


def load(home: Path | None = None) -> Contexts:
    """Return all contexts; raise `StoreError` for a file that was damaged."""
    path = (home or folder()) / CONTEXTS
    content = files.read(path, at_most=CONTEXTS_MAX)
    if content is None:
        return Contexts()
    try:
        return msgspec.json.decode(content, type=Contexts)
    except msgspec.MsgspecError as error:
        problem = f"cannot read {path}: {error}; mend it, or restore it from a backup"
        raise StoreError(problem) from error


def get(name: str | None = None, home: Path | None = None) -> tuple[str, Context]:
    """Return a context by name, or the current one, with its name."""
    found = load(home)
    wanted = name or found.current
    if not wanted and found.contexts:
        problem = "cannot talk to a fleet: no context is current"
        raise ConfigError(f"{problem}; choose one with `edgectl context use NAME`")
    if not wanted:
        problem = "cannot talk to a fleet: there is no context yet"
        raise ConfigError(f"{problem}; begin with `edgectl fleet init NAME`")
    return wanted, _known(found, wanted)


def create_context(name: str, context: Context, home: Path | None = None) -> Path:
    """Add a context, make its folder and return it; does not make it current."""
    check_name(name)
    with _changing(home) as found:
        if name in found.contexts:
            raise ConfigError(f"cannot create context {name!r}: there is one already")
        _save(_with(found, name, context), home)
    path = context_folder(name, home)
    path.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    return path


def place(name: str, context: Context, ready: Path, home: Path | None = None) -> None:
    """Add a context whose folder was made elsewhere: it is moved in, whole."""
    check_name(name)
    with _changing(home) as found:
        target = context_folder(name, home)
        if name in found.contexts or target.exists():
            problem = f"cannot create context {name!r}: there is one already"
            raise ConfigError(f"{problem}, in {target}")
        try:
            target.parent.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
            ready.rename(target)
            files.sync_folder(target.parent)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error.strerror}") from error
        _save(_with(found, name, context), home)


def check_name(name: str) -> None:
    """Refuse what cannot be a folder and a word; raise `ConfigError`."""
    if not names.is_name(name):
        raise ConfigError(f"cannot name a context {name!r}: use {names.NAME_RULE}")


def change(name: str, context: Context, home: Path | None = None) -> None:
    """Replace what is said of a context."""
    with _changing(home) as found:
        _known(found, name)
        _save(_with(found, name, context), home)


def use(name: str, home: Path | None = None) -> None:
    """Make a context the current one, and remember which one it takes the place of."""
    with _changing(home) as found:
        context = _known(found, name)
        if found.current == name:
            return
        changed = msgspec.structs.replace(context, before=found.current)
        current = _with(found, name, changed)
        _save(msgspec.structs.replace(current, current=name), home)


def remove(name: str, home: Path | None = None) -> None:
    """Forget a context with its keys; what was current before it is so again.

    Removing what is not there is fine: `edgectl lab down` runs after crashes too.
    """
    with _changing(home) as found:
        kept = {each: it for each, it in found.contexts.items() if each != name}
        current = found.current
        if current == name:
            current = _before(found.contexts, name)
        _save(Contexts(current=current, contexts=kept), home)
    check_name(name)
    shutil.rmtree(context_folder(name, home), ignore_errors=True)


def _before(contexts: Mapping[str, Context], name: str) -> str:
    """Return the context ``name`` took the place of, "" when it is gone as well."""
    before = contexts[name].before if name in contexts else ""
    return before if before in contexts and before != name else ""


def _known(found: Contexts, name: str) -> Context:
    if name not in found.contexts:
        known = ", ".join(sorted(found.contexts)) or "none"
        raise not_found(f"cannot find context {name!r}; there are: {known}")
    return found.contexts[name]


def _with(found: Contexts, name: str, context: Context) -> Contexts:
    contexts = {**found.contexts, name: context}
    return msgspec.structs.replace(found, contexts=contexts)


def _save(contexts: Contexts, home: Path | None) -> None:
    content = msgspec.json.format(msgspec.json.encode(contexts), indent=2)
    files.write((home or folder()) / CONTEXTS, content)


@contextmanager
def _changing(home: Path | None) -> Iterator[Contexts]:
    """Hold the lock of the file while it is read, changed and written."""
    with locked((home or folder()) / f"{CONTEXTS}.lock"):
        yield load(home)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``, which is made when it is not there."""
    try:
        path.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, files.PRIVATE)
    except OSError as error:
        raise StoreError(f"cannot write in {path.parent}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
