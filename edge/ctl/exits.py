"""How a command ends: one number for each way, and which error means which.

The numbers are part of the interface (docs/edgectl.md); scripts decide by them.
"""

import enum

from edge.errors import EdgeError, RequestError, TrustError, Unreachable


class Exit(enum.IntEnum):
    """What edgectl returns to the shell."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    UNREACHABLE = 5
    ROLLOUT_FAILED = 6
    TIMED_OUT = 7
    OVERTAKEN = 8
    INTERRUPTED = 130
    """What shells say for SIGINT: 128 + 2."""


MEANINGS = {
    Exit.OK: "done",
    Exit.FAILURE: "failure",
    Exit.USAGE: "wrong usage",
    Exit.NOT_FOUND: "not found",
    Exit.NOT_ALLOWED: "not allowed",
    Exit.UNREACHABLE: "hub unreachable",
    Exit.ROLLOUT_FAILED: "rollout failed or taken back",
    Exit.TIMED_OUT: "timed out (it goes on)",
    Exit.OVERTAKEN: "someone else was first",
    Exit.INTERRUPTED: "interrupted (what was handed in goes on)",
}
# HTTP: 401 and 403 refuse a person, 404 a name, 409 a number that was used already.
BY_STATUS = {
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    409: Exit.OVERTAKEN,
}


class Ended(EdgeError):  # noqa: N818 - an end, not always an error
    """A command ends with a code of its own and a sentence that says why."""

    def __init__(self, code: Exit, problem: str) -> None:
        """Keep the code beside the sentence."""
        super().__init__(problem)
        self.code = code


def code_of(error: EdgeError) -> Exit:
    """Return the number an error ends the command with."""
    match error:
        case Ended():
            return error.code
        case RequestError():
            return BY_STATUS.get(error.status, Exit.FAILURE)
        case TrustError():
            return Exit.NOT_ALLOWED
        case Unreachable():
            return Exit.UNREACHABLE
        case _:
            return Exit.FAILURE


def not_found(problem: str) -> Ended:
    """Return the end of a command that was given a name nobody carries."""
    return Ended(Exit.NOT_FOUND, problem)


def epilogue() -> str:
    """Return the line of `edgectl --help` that explains the numbers."""
    said = ", ".join(f"{code.value} {text}" for code, text in MEANINGS.items())
    return f"Exit codes: {said}."
