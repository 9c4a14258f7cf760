"""``python -m tests.bench NAME``: one bench, alone on this machine, as root.

Without a name it lists them. The report goes to stdout, progress to stderr; ``-o json``
has every single value. The exit code is 0 whether targets are met or not: a figure is
no test.
"""

import argparse
import importlib
import sys

from tests.bench import measure
from tests.bench.measure import BenchFailed

BENCHES = {
    "deploy": "from Enter, and from the hub's accept, to three containers running",
    "crash": "from kill -9 of a container to answering again",
    "failover": "from the loss of a device to its work answering elsewhere",
    "plan": "edgectl plan for a thousand devices",
    "rollout": "a new version on three devices, under load, beside Swarm",
    "mesh": "what neighbours say to each other, and false deaths",
    "sites": "the mesh of 2 to 50 devices, in virtual time",
    "idle": "memory, processor time and traffic of a device that has nothing to do",
    "cli": "edgectl --help",
    "enrol": "twenty devices at once",
    "broker": "a wiped broker, until everything is in sync again",
}


def main() -> int:
    """Run the bench that was named; return the exit code."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME")
    for name, text in BENCHES.items():
        module = importlib.import_module(f"tests.bench.{name}")
        one = names.add_parser(name, help=text, description=module.__doc__)
        one.add_argument("-o", "--output", choices=("table", "json"), default="table")
        module.options(one)
    chosen = parser.parse_args()
    if chosen.name is None:
        parser.print_help()
        return 0
    bench = importlib.import_module(f"tests.bench.{chosen.name}")
    try:
        with measure.alone():
            report = bench.measured(chosen)
    except BenchFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    shown = measure.as_json if chosen.output == "json" else measure.table
    print(shown(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
