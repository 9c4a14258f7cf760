"""Begin a fleet on this machine: root key, operator key, first trust document.

Everything is made in a folder beside its place and moved there at once, so a second
`fleet init`, a full disk or a power cut leaves an existing fleet as it was and never
half of a new one.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from edge import documents, files, names, sealing, trust
from edge.ctl import home, keys, memory, root
from edge.ctl.fleet import OPERATOR_KEY, ROOT_KEY
from edge.ctl.home import Context
from edge.documents import Operator
from edge.errors import ConfigError, StoreError
from edge.trust.ledger import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What a new fleet is made of; ``passphrase`` None leaves the keys plain."""

    fleet: str
    context: str
    operator: str
    expires_at: float
    passphrase: str | None = field(repr=False)
    insecure_registries: tuple[str, ...] = ()


def create(founding: Founding, now: float, at: Path | None = None) -> Context:
    """Make the fleet and its context, and make that current; return the context."""
    if not names.is_name(founding.fleet):
        problem = f"cannot name a fleet {founding.fleet!r}: use {names.NAME_RULE}"
        raise ConfigError(problem)
    check_free(founding.context, at)
    base = at or home.folder()
    try:
        base.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".new-", dir=base))
    except OSError as error:
        raise StoreError(f"cannot write in {base}: {error.strerror}") from error
    try:
        context = _fill(workshop, founding, now)
        home.place(founding.context, context, workshop, at)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    home.use(founding.context, at)
    return context


def check_free(name: str, at: Path | None = None) -> None:
    """Refuse a name that is taken, before anyone types a passphrase."""
    home.check_name(name)
    if name in home.load(at).contexts or home.context_folder(name, at).exists():
        problem = f"cannot begin fleet context {name!r}: there is one already in"
        advice = "choose another with --context, or `edgectl context remove` it"
        raise ConfigError(f"{problem} {home.context_folder(name, at)}; {advice}")


def _fill(folder: Path, founding: Founding, now: float) -> Context:
    """Write keys and memory into a folder nobody looks at yet."""
    root_key = keys.make("root", founding.fleet, founding.passphrase)
    operator_key = keys.make("operator", founding.operator, founding.passphrase)
    keys.write(folder / ROOT_KEY, root_key)
    keys.write(folder / OPERATOR_KEY, operator_key)
    operator = Operator(
        name=founding.operator,
        key=operator_key.public,
        seal=operator_key.seal,
        expires_at=founding.expires_at,
    )
    document = root.first(founding.fleet, root_key.public, operator, now)
    anchor = fingerprint(document.root)
    signer = sealing.SigningKey(keys.seeds(root_key, founding.passphrase))
    remembered = memory.load(folder, founding.fleet, anchor)
    verdict = remembered.take(documents.sign(document, signer), now)
    assert isinstance(verdict, trust.Accepted)  # noqa: S101 - we made it for this
    remembered.save()
    return Context(
        fleet=founding.fleet,
        anchor=anchor,
        insecure_registries=founding.insecure_registries,
    )
