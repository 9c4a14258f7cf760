"""Everything that can go wrong, by whose fault it is.

::

    EdgeError
    ├── ManifestError        the user's file: fix the line it names
    ├── ConfigError          the operator's set-up: a setting, a key, a folder
    │   └── StoreError       state on disk that cannot be read or written
    │       └── Damaged      state that says who a device is, and says nothing any more
    ├── WireError            a peer's bytes are not what the protocol allows
    ├── TrustError           a refusal: signature, scope, recipient, version
    ├── RequestError         the hub answered a request with a refusal
    ├── LabError             the lab on this machine cannot do what was asked
    ├── ImageError           an image cannot be made, changed, written or booted here
    └── TemporaryError       the world's fault: trying again may help
        ├── Unreachable      nobody answered
        └── RuntimeFailure   Podman could not do it this time

Messages begin with "cannot", name the thing and the place, and say what to do.
Expected outcomes are values (`edge.trust.Refused`), not exceptions.
"""


class EdgeError(Exception):
    """Root of all errors Tutti raises on purpose."""


class ManifestError(EdgeError):
    """A manifest says something we cannot do.

    Attributes: ``path`` is the dotted place (``workload.web.image``), ``file`` and
    ``line`` where known (``line`` counts from 1, 0 when unknown).
    """

    def __init__(
        self, problem: str, *, path: str = "", file: str = "", line: int = 0
    ) -> None:
        """Keep the parts, so that callers can add the file they read."""
        super().__init__(problem)
        self.problem = problem
        self.path = path
        self.file = file
        self.line = line

    def __str__(self) -> str:
        """Return ``file:line: path: problem`` with unknown parts left out."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.problem) if part)


class ConfigError(EdgeError):
    """The set-up on this machine is incomplete or contradictory."""


class StoreError(ConfigError):
    """State on disk cannot be read or written."""


class Damaged(StoreError):  # noqa: N818 - reads as the state it names
    """What says who a device is can be read, and means nothing any more."""


class WireError(EdgeError):
    """Bytes from a peer break the protocol; nothing was changed."""


class TrustError(EdgeError):
    """A document was refused; ``reason`` is the name it is counted under."""

    def __init__(self, reason: str, problem: str) -> None:
        """Keep the counted name apart from the sentence."""
        super().__init__(problem)
        self.reason = reason


class RequestError(EdgeError):
    """The hub refused a request; ``status`` is the HTTP status code."""

    def __init__(self, status: int, reason: str, problem: str) -> None:
        """Keep what the caller decides by: the status and the named reason."""
        super().__init__(problem)
        self.status = status
        self.reason = reason


class LabError(EdgeError):
    """The lab on this machine cannot do what was asked."""


class ImageError(EdgeError):
    """An image cannot be made, changed, written or booted on this machine."""


class TemporaryError(EdgeError):
    """The world's fault; trying again after ``retry_after`` seconds may help."""

    def __init__(self, problem: str, *, retry_after: float = 1.0) -> None:
        """Keep the pause that makes sense before the next try, in seconds."""
        super().__init__(problem)
        self.retry_after = retry_after


class Unreachable(TemporaryError):  # noqa: N818 - reads as the state it names
    """Nobody answered at the address."""


class RuntimeFailure(TemporaryError):  # noqa: N818 - Podman's failure, not ours
    """Podman could not perform an action this time."""
