"""A timeline for people, one line each."""

from edge.sim.kernel import Line


def told(line: Line) -> str:
    """Return what happened as one line of text."""
    term = f" (term {line.term})" if line.term else ""
    subject = f"{line.slot}{term} " if line.slot else ""
    return f"{line.at:9.3f} s  {line.node:<5} {line.kind:<12} {subject}{line.text}"
