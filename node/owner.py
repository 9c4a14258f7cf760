"""Finds the user and group a container runs as, from its image's own files.

The rules are Podman's: ``user``, ``uid``, ``user:group``, ``uid:gid``, or none: root.
Names are looked up in the container's /etc/passwd and /etc/group; a number needs no
entry, and without one its group is 0.
"""

from typing import NamedTuple

from edge.errors import ConfigError

UID, GID = 2, 3  # fields of passwd(5); the gid of group(5) is its third as well
FIELDS_MIN = 4  # what passwd(5) and group(5) lines have at least
ID_MAX = 2**32 - 2  # the kernel's largest; one more means "unchanged" to chown(2)


class Owner(NamedTuple):
    """A user and group, by number, as the container's own processes carry them."""

    uid: int = 0
    gid: int = 0


ROOT = Owner()


def is_plain(user: str) -> bool:
    """Return whether ``user`` needs no look at the container's files."""
    word, _, group = user.partition(":")
    return user in {"", "0"} or (word.isdecimal() and group.isdecimal())


def resolve(user: str, passwd: str, group: str) -> Owner:
    """Return who ``user`` is; raise `ConfigError` if the files do not know."""
    word, _, group_word = user.partition(":")
    entry = _find(passwd, word or "0")
    uid = _number(word or "0", entry, UID, user)
    if group_word:
        gid = _number(group_word, _find(group, group_word), UID, user)
    else:
        gid = int(entry[GID]) if entry and entry[GID].isdecimal() else 0
    return Owner(uid, gid)


def _find(text: str, word: str) -> list[str] | None:
    """Return the fields of the first line named ``word``, or numbered so."""
    lines = [line.split(":") for line in text.splitlines()]
    whole = [
        line for line in lines if len(line) >= FIELDS_MIN and line[UID].isdecimal()
    ]
    named = [line for line in whole if line[0] == word]
    numbered = [line for line in whole if line[UID] == word]
    found = named or numbered
    return found[0] if found else None


def _number(word: str, entry: list[str] | None, field: int, user: str) -> int:
    if not word.isdecimal() and entry is None:
        problem = f"cannot give secrets to user {user!r}: the image has no such user"
        raise ConfigError(problem + "; use one it has, or a number")
    number = int(word) if word.isdecimal() else int((entry or [])[field])
    if number > ID_MAX:
        raise ConfigError(f"cannot give secrets to user {user!r}: no such number")
    return number
