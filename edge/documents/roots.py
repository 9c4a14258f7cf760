"""What root signs: who may sign what."""

from typing import Annotated

from msgspec import Meta

from edge import model
from edge.documents.shape import PEM_MAX, Document, Threshold
from edge.names import Counter, KeyText, Labels, Name, Seconds, Short, Text


class KeySet(model.Value, frozen=True):
    """Public keys, and how many distinct ones must sign."""

    keys: Annotated[tuple[KeyText, ...], Meta(min_length=1, max_length=16)]
    threshold: Threshold = 1


class Scope(model.Value, frozen=True):
    """What an operator may touch; the empty scope is everything."""

    name: Short = ""
    sites: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    labels: Labels = {}


class Operator(model.Value, frozen=True):
    """A person who may say what runs: signing key, sealing key, scope, expiry."""

    name: Short
    key: KeyText
    seal: KeyText
    expires_at: Seconds
    scope: Scope = Scope()


class HubSite(model.Value, frozen=True):
    """A hub: its signing key, and where it and its broker are found."""

    key: KeyText
    url: Text
    broker: Text


class Trust(Document, frozen=True, tag="trust"):
    """Who may sign what; root signs it, and version N+1 carries N's keys too."""

    version: Counter
    issued_at: Seconds
    root: KeySet
    operators: Annotated[tuple[Operator, ...], Meta(max_length=64)]
    operator_threshold: Threshold = 1
    hubs: Annotated[tuple[HubSite, ...], Meta(max_length=16)] = ()
    hub_threshold: Threshold = 1
    generation: Counter = 1
    """Raised by root when a hub is restored; older hub documents then count nothing."""
    ca: Annotated[str, Meta(max_length=PEM_MAX)] = ""
    """PEM of the certificate authority for TLS."""

    @property
    def stream(self) -> str:
        """Return the one trust stream."""
        return "trust"
