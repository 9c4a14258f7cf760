"""Which revisions a device has at hand: the newest, what runs, the ways back."""

from collections.abc import Callable, Iterable, Mapping

from edge.documents import Deployment

Key = tuple[str, int]
"""A deployment's name and version."""


def at_hand(
    newest: Mapping[str, Deployment],
    used: Iterable[Key],
    held: Mapping[Key, Deployment],
    read: Callable[[str, int], Deployment | None],
) -> dict[Key, Deployment]:
    """Return the newest of each deployment, those ``used``, and the ways back.

    What is not in ``held`` is read from the disk; what ``read`` lacks is left out.
    """
    found = {(name, each.version): each for name, each in newest.items()}
    back = [(name, each.fallback) for name, each in newest.items() if each.fallback]
    for key in (*used, *back):
        old = found.get(key) or held.get(key) or read(*key)
        if old is not None:
            found[key] = old
    return found
