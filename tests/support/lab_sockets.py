"""Sockets that belong to a machine of a lab and are used by a test."""

import socket
import subprocess

from edge.lab.substrate import Substrate


def socket_in(substrate: Substrate, name: str) -> socket.socket:
    """A datagram socket that belongs to a machine: made there, used here."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    make = (
        "import socket, sys\n"
        "channel = socket.socket(fileno=int(sys.argv[1]))\n"
        "made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "socket.send_fds(channel, [b'.'], [made.fileno()])\n"
    )
    with near, far:
        argv = (*substrate.enter(name), "python3", "-c", make, str(far.fileno()))
        subprocess.run(argv, pass_fds=(far.fileno(),), check=True)
        _, made, _, _ = socket.recv_fds(near, 1, 1)
    return socket.socket(fileno=made[0])
