"""Which TCP ports are listened on, as the kernel's socket monitor says (sock_diag(7)).

To read /proc/net/tcp the kernel walks a hash table that grows with the machine's
memory: 4 ms on 24 GiB, the same again for IPv6, for every report. The monitor keeps
listening sockets apart and answers in 0.1 ms. Without it (a kernel or a sandbox that
has no netlink) there is no answer, and `node.facts` reads the tables.
"""

import socket
import struct
from collections.abc import Iterator

SOCK_DIAG = 4  # linux/netlink.h
ERROR, DONE = 2, 3
REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
BY_FAMILY = 20  # linux/sock_diag.h
LISTENING = (
    1 << 10
)  # net/tcp_states.h: a set of states, of which TCP_LISTEN is number 10
HEADER = struct.Struct("=IHHII")  # length, kind, flags, sequence, sender
QUESTION = struct.Struct("=BBBxI48x")  # family, protocol, more, states, any address
FOUND = struct.Struct(">4xH2x16s")  # linux/inet_diag.h: the port and the address
ALIGNMENT = 4
LOOPBACK = (bytes((127, 0, 0, 1)).ljust(16, b"\0"), b"\x01".rjust(16, b"\0"))
ANSWER_MAX = 64 * 1024  # bytes; the kernel sends 32 KiB at most at a time
WITHIN = 1.0


def tcp() -> set[int] | None:
    """Return the ports others can reach, None where the kernel does not say.

    A socket on the loopback address does not keep a container from its port.
    """
    try:
        return _ports(socket.AF_INET) | _ports(socket.AF_INET6)
    except (OSError, struct.error):
        return None


def _ports(family: int) -> set[int]:
    found = (FOUND.unpack_from(body) for body in _asked(family))
    return {port for port, address in found if address not in LOOPBACK}


def _asked(family: int) -> Iterator[bytes]:
    """Yield one entry for each listening socket of an address family."""
    question = QUESTION.pack(family, socket.IPPROTO_TCP, 0, LISTENING)
    size = HEADER.size + len(question)
    header = HEADER.pack(size, BY_FAMILY, REQUEST_DUMP, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as monitor:
        monitor.settimeout(WITHIN)
        monitor.send(header + question)
        while True:
            for kind, body in _messages(monitor.recv(ANSWER_MAX)):
                if kind == DONE:
                    return
                if kind == ERROR:
                    raise OSError("cannot ask the kernel for its sockets")
                yield body


def _messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each message of an answer."""
    place = 0
    while place < len(answer):
        length, kind, *_ = HEADER.unpack_from(answer, place)
        if length < HEADER.size:
            raise OSError("cannot read what the kernel says of its sockets")
        yield kind, answer[place + HEADER.size : place + length]
        place += -(-length // ALIGNMENT) * ALIGNMENT
