"""Carries frames between two interfaces, each of them late: delay with jitter.

``python -m edge.lab.relay ONE OTHER LEAST MOST`` (seconds) in the switch's namespace.
Every frame waits for a time of its own, so later ones overtake earlier ones, as with
``netem``. It ends when one of its interfaces is gone.

With PACKET_VNET_HDR each frame comes with what the kernel still meant to do to it
(checksums, segments) and goes with it: no offload has to be switched off.
"""

import heapq
import random
import select
import socket
import sys
import time
from itertools import count

ETH_P_ALL = 0x0003  # linux/if_ether.h
SOL_PACKET = 263  # linux/socket.h
PACKET_VNET_HDR = 15  # linux/if_packet.h
PACKET_IGNORE_OUTGOING = 23
FRAME_MAX = 70_000  # bytes: 64 KiB in segments, and the headers
BUFFER = 4 * 1024 * 1024
LOOK_EVERY = 1.0

Late = tuple[float, int, socket.socket, bytes]


class Relay:
    """Two interfaces and the frames on their way between them."""

    def __init__(self, names: tuple[str, str], least: float, most: float) -> None:
        """Open both ends."""
        self._names = names
        self._least, self._most = least, most
        one, other = (_open(name) for name in names)
        self._opposite = {one: other, other: one}
        self._late: list[Late] = []
        self._numbers = count()
        self._random = random.Random()  # noqa: S311 - nothing secret about a delay

    def run(self) -> None:
        """Carry frames until an interface is gone."""
        while self._is_whole():
            readable, _, _ = select.select(self._opposite, (), (), self._patience())
            for each in readable:
                self._take(each)
            self._give()

    def _is_whole(self) -> bool:
        known = {name for _, name in socket.if_nameindex()}
        return known.issuperset(self._names)

    def _patience(self) -> float:
        if not self._late:
            return LOOK_EVERY
        return min(LOOK_EVERY, max(0.0, self._late[0][0] - time.monotonic()))

    def _take(self, source: socket.socket) -> None:
        """Take every frame that waits; a downed interface says so once, as an error."""
        while True:
            try:
                frame = source.recv(FRAME_MAX)
            except OSError:
                return
            wait = self._random.uniform(self._least, self._most)
            due = time.monotonic() + wait
            late = (due, next(self._numbers), self._opposite[source], frame)
            heapq.heappush(self._late, late)

    def _give(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, target, frame = heapq.heappop(self._late)
            try:
                target.send(frame)
            except OSError:
                continue  # down, or full: frames get lost there


def _open(name: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    made.setblocking(False)  # noqa: FBT003 - its only spelling
    made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    made.bind((name, 0))
    return made


def main(one: str, other: str, least: str, most: str) -> None:
    """Carry frames between two interfaces."""
    Relay((one, other), float(least), float(most)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
