"""``python -m edge.sim SEED [KIND]``: play one drawn world again, with its story."""

import sys

from edge.sim import draws, story, verdict
from edge.sim.verdict import Verdict


def main(arguments: list[str]) -> int:
    """Play it, print what happened, and return 1 if a law was broken."""
    if not arguments or not arguments[0].isdecimal():
        sys.stderr.write("usage: python -m edge.sim SEED [general|strict|quiet]\n")
        return 2
    kind = arguments[1] if len(arguments) > 1 else "general"
    found = replay(int(arguments[0]), kind)
    for line in found.lines:
        sys.stdout.write(f"{story.told(line)}\n")
    for problem in found.problems:
        sys.stdout.write(f"BROKEN {problem}\n")
    sys.stdout.write(f"digest {found.digest}\n")
    return 0 if found.is_good else 1


def replay(seed: int, kind: str) -> Verdict:
    """Play the world of a seed."""
    scenario = draws.KINDS[kind](seed)
    if kind == "quiet":
        return verdict.play_quiet(scenario)
    return verdict.play(scenario)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
