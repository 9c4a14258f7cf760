"""What a program hears from a broker, and what becomes of a publish: plain data.

Apart from `edge.broker`, so that pure code and fakes can speak of messages without
loading paho (4.6 MiB).
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The broker accepted us; subscriptions are on their way."""

    session_present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The connection ended, or could not be made for a new reason."""

    reason: str
    is_refusal: bool = False
    """Someone said no (a certificate, the broker's rules): trying again alone will
    not help. False when nobody answered."""
    is_takeover: bool = False
    """Another client came with our name: two machines hold one key, or the hub
    evicts us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a subscription brought; ``retain`` says it was stored before."""

    topic: str
    payload: bytes
    retain: bool


Event = Connected | Disconnected | Message


class Delivery(Enum):
    """What became of a publish; true in a condition only when it was accepted."""

    ACCEPTED = "accepted"
    """The broker has it (QoS 1), or this machine's network stack does (QoS 0)."""
    OFFLINE = "offline"
    """Nobody is known to have it: keep it and publish it again."""
    REFUSED = "refused"
    """The broker will not take it, now or later: too large, or against its rules."""

    def __bool__(self) -> bool:
        return self is Delivery.ACCEPTED
