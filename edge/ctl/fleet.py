"""The fleet as this machine sees it: one context, its memory, its hub, its keys.

Everything a command needs, each part opened when first used: reading costs no key,
listing contexts costs no connection. Documents of the hub pass the same gate as on a
device; what does not is left out and said (`problems`).
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from edge import documents, tls, trust
from edge.ctl import agent, api, home, keys, last_lines, memory, terminal, web
from edge.ctl.api import Hub
from edge.ctl.exits import Ended, Exit
from edge.ctl.home import Context
from edge.ctl.keys import OperatorKey
from edge.ctl.memory import Memory
from edge.ctl.shapes import Result
from edge.documents import Document, Operator, Secret, Trust
from edge.errors import ConfigError, TrustError
from edge.sealing import SigningKey
from edge.trust import Ledger, Refused

ROOT_KEY = "root.key"
OPERATOR_KEY = "operator.key"
SESSION = "session.json"
PORT = 8443  # the hub's own default
# What follows from another document comes after it.
DEVICES = ("voucher/", "revocation", "member/", "node/")
SILENT = frozenset({("member", "revoked"), ("node", "unknown-device")})
"""Refusals that are no news: a revoked device's documents stay on the hub."""
PROBLEMS_SHOWN = 5


@dataclass(slots=True, kw_only=True)
class Fleet:
    """One context, opened."""

    name: str
    context: Context
    folder: Path
    memory: Memory
    problems: list[str] = field(default_factory=list)
    """What the hub showed and was refused, as sentences."""
    boxes: dict[str, Secret] = field(default_factory=dict)
    """Secret's name → the copy sealed to this machine's operator."""
    _hub: Hub | None = None
    _connection: web.Connection | None = None
    _operator: OperatorKey | None = None
    _public: str = ""

    def __enter__(self) -> Self:
        """Return itself; nothing is opened yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection to the hub; what was seen is remembered."""
        if self._connection is not None:
            self._connection.close()
        if not self.memory.is_saved:
            self.memory.save()

    @property
    def ledger(self) -> Ledger:
        """Return what is believed so far."""
        return self.memory.ledger

    @property
    def trust(self) -> Trust:
        """Return the newest trust document."""
        if self.ledger.trust is None:
            problem = f"cannot use context {self.name!r}: its trust document is gone"
            raise ConfigError(f"{problem}; restore {self.folder} from a backup")
        return self.ledger.trust

    @property
    def hub(self) -> Hub:
        """Return the hub; raise `ConfigError` when none was adopted."""
        if self._hub is None:
            self._connection = self._connected()
            self._hub = Hub(self._connection, self._asker())
        return self._hub

    @property
    def certificate(self) -> Mapping[str, object]:
        """Return the hub's certificate, empty before it was asked anything."""
        return self._connection.certificate if self._connection else {}

    @property
    def operator(self) -> OperatorKey:
        """Return the operator's key: from the agent, or from its file."""
        if self._operator is None:
            path = self.folder / OPERATOR_KEY
            key = keys.read(path)
            held = agent.find(key.public) if key.is_locked else None
            self._operator = held or keys.unlock(path)[0]
        return self._operator

    @property
    def me(self) -> Operator:
        """Return what root says of this machine's operator; raise if it is nothing."""
        public = self.public
        for each in self.trust.operators:
            if each.key == public:
                return each
        problem = f"cannot sign: root of fleet {self.context.fleet!r} has no operator"
        raise Ended(Exit.NOT_ALLOWED, f"{problem} with key {public}")

    def scope_of(self, name: str) -> str:
        """Return whose deployment name it is: the owner's, or mine if nobody had it."""
        head = self.ledger.head(f"deployment/{name}")
        return self.me.scope.name or (head.scope if head else "")

    def root(self, path: Path | None = None) -> SigningKey:
        """Return the root key from its file; raise if it is not this fleet's."""
        key = keys.root(path or self.folder / ROOT_KEY)
        if key.public not in self.trust.root.keys:
            problem = f"cannot sign trust of fleet {self.context.fleet!r}"
            raise Ended(Exit.NOT_ALLOWED, f"{problem}: it is another fleet's root key")
        return key

    def now(self) -> float:
        """Return this machine's clock, seconds since the epoch."""
        return time.time()

    def sync_trust(self) -> None:
        """Learn what root said since; raise `TrustError` if the hub shows a forgery."""
        self.learn(self.hub.trust_since(self.trust.version))

    def learn(self, newer: tuple[bytes, ...]) -> None:
        """Believe newer trust documents; raise `TrustError` for the first forgery."""
        for data in newer:
            verdict = self.memory.take(data, self.now())
            memory.demand(verdict, "the hub's trust document")
        if newer:
            self.memory.save()

    def fetch(self, *prefixes: str) -> None:
        """Learn the newest documents of streams with these prefixes, in this order."""
        for prefix in prefixes:
            for data in self.hub.documents(prefix):
                self._take(data)
            for stream in self.memory.hidden(prefix):
                problem = f"the hub no longer shows {stream}, which this machine saw"
                self.problems.append(f"{problem}: restored from a backup, or hiding")

    def sign(self, document: Document) -> bytes:
        """Return the envelope of a document, signed by the operator."""
        return documents.sign(document, self.operator.signer)

    def submit(self, *made: Document) -> tuple[Result, ...]:
        """Sign as the operator and hand in; raise for whatever would not count."""
        return self.hand_in(made, [self.sign(each) for each in made])

    def hand_in(
        self, made: Iterable[Document], sealed: Iterable[bytes]
    ) -> tuple[Result, ...]:
        """Hand in what is signed already, and remember it once the hub took it."""
        made, sealed, now = tuple(made), tuple(sealed), self.now()
        for document, data in zip(made, sealed, strict=True):
            _refuse_early(data, self.ledger, now, document)
        self.memory.reserve(*made)
        results = self.hub.post(sealed)
        for data in sealed:
            self.memory.take(data, now)
        self.memory.save()
        return results

    def warn(self) -> None:
        """Say what the hub showed and was refused, once, to people."""
        for problem in self.problems[:PROBLEMS_SHOWN]:
            terminal.tell(f"edgectl: {problem}")
        if (more := len(self.problems) - PROBLEMS_SHOWN) > 0:
            terminal.tell(f"edgectl: and {more} more such")
        self.problems.clear()

    def keep(self, data: bytes) -> None:
        """Remember a document that no hub can be told of yet."""
        verdict = self.memory.take(data, self.now())
        memory.demand(verdict, "what was just signed")
        self.memory.save()

    def _take(self, data: bytes) -> None:
        verdict = self.memory.take(data, self.now())
        if isinstance(verdict, Refused):
            self.memory.saw(data)
            if (verdict.kind, verdict.reason) not in SILENT:
                what = verdict.kind or "a document"
                self.problems.append(f"refused {what} from the hub: {verdict.problem}")
            return
        document = verdict.document
        if isinstance(document, Secret) and document.recipient == self._recipient:
            self.boxes[document.name] = document

    @property
    def public(self) -> str:
        """Return this machine's operator's public key, which needs no unlocking."""
        if not self._public:
            self._public = keys.read(self.folder / OPERATOR_KEY).public
        return self._public

    @property
    def _recipient(self) -> str:
        return f"operator:{self.public}"

    def _connected(self) -> web.Connection:
        url = self.context.hub or next((hub.url for hub in self.trust.hubs), "")
        if not url or not self.trust.ca:
            problem = f"cannot reach a hub: fleet {self.context.fleet!r} has none yet"
            raise ConfigError(f"{problem}; run `edgectl hub adopt`")
        context = tls.client_context(self.trust.ca.encode())
        return web.Connection(web.address(url, port=PORT), context, self._judge_server)

    def _judge_server(self, certificate: object) -> None:
        assert isinstance(certificate, dict)  # noqa: S101 - what ssl returns
        tls.check_validity(certificate, self.now(), self.ledger.floor)

    def _asker(self) -> api.Asker:
        return api.Asker(
            fleet=self.context.fleet,
            hubs=frozenset(hub.key for hub in self.trust.hubs),
            signer=lambda: self.operator.signer,
            now=self.now,
            session=self.folder / SESSION,
            read=lambda stage: last_lines.opened(stage, self._unlocked),
        )

    def _unlocked(self) -> OperatorKey | None:
        """Return the operator's key, None where a passphrase would be asked for."""
        key = keys.read(self.folder / OPERATOR_KEY)
        is_here = self._operator is not None or not key.is_locked
        return self.operator if is_here else agent.find(key.public)


def open_fleet(name: str | None = None) -> Fleet:
    """Return the fleet of a context, or of the current one."""
    found, context = home.get(name)
    folder = home.context_folder(found)
    remembered = memory.load(folder, context.fleet, context.anchor)
    return Fleet(name=found, context=context, folder=folder, memory=remembered)


def _refuse_early(data: bytes, ledger: Ledger, now: float, document: Document) -> None:
    """Refuse here what everyone would refuse, before a number is used up."""
    if ledger.is_hidden(document.stream):
        problem = f"cannot sign {document.stream}: the hub does not show its newest"
        raise TrustError("rolled-back", f"{problem}; run `edgectl doctor`")
    verdict = trust.judge(data, ledger, now)
    if isinstance(verdict, Refused):
        subject = document.stream or documents.kind_of(type(document))
        problem = f"cannot sign {subject}: {verdict.problem}"
        raise TrustError(verdict.reason, problem)
