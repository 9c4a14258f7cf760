"""How long an attack is, and by which seed: both are told, both can be given again.

``TUTTI_MUTATIONS`` is the number of documents in all (100,000 for `just adversary`),
``TUTTI_SEED`` repeats a run. Without a seed every run is another one.
"""

import os
from collections.abc import Iterator
from random import Random

SHARE = 12_000
"""Documents in a run of all unit tests: under half a minute on one slow core."""
EPISODE = 400
"""Documents until a target is put back to where it was."""


def seed() -> int:
    """Return the seed of this run."""
    given = os.environ.get("TUTTI_SEED", "")
    return int(given) if given else int.from_bytes(os.urandom(4))


def episodes(first: int, name: str, part: float) -> Iterator[tuple[Random, int]]:
    """Yield (generator, documents) until this target had its part of them all."""
    left = round(int(os.environ.get("TUTTI_MUTATIONS", SHARE)) * part)
    number = 0
    while left > 0:
        yield Random(f"{first} {name} {number}"), min(EPISODE, left)
        left -= EPISODE
        number += 1
