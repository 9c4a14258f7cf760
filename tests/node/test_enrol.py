"""Asking one address after another: who is no hub of ours does not end the search.

Enrolment with real hubs: `tests/integration/test_fleet.py`.
"""

import http.server
import os
import ssl
import threading

import pytest

from edge import documents, joinfile
from edge.errors import TrustError, Unreachable
from edge.tls import Validity
from hub import authority
from node import device as devices
from node import enrol
from node.settings import Settings
from tests.support import builders as a

JOIN = joinfile.JoinFile(
    fleet=a.FLEET,
    root=a.empty_ledger().anchor,
    hubs=(),
    seed=a.JOIN.seed,
    voucher=documents.sign(a.voucher(), a.OPERATOR),
)
NOBODY = "https://127.0.0.1:1"
LASTS = Validity(not_before=a.NOW, not_after=a.NOW + 3600.0)


class Stranger(http.server.BaseHTTPRequestHandler):
    """Somebody's television, with a web page of its own."""

    code, body = 404, b"<html>"

    def do_GET(self):
        """Answer whatever is asked."""
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(params=[(404, b"<html>"), (500, b""), (200, b"no documents")])
def stranger(request):
    """Return the address of a web server that is no hub."""
    key = authority.generate_key()
    ca = authority.load(authority.create(key, "other", a.NOW), key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor = os.memfd_create("server")
    os.write(descriptor, authority.issue_server(ca, ["127.0.0.1"], key, LASTS) + key)
    context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    os.close(descriptor)
    handler = type(
        "Now", (Stranger,), {"code": request.param[0], "body": request.param[1]}
    )
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def device(tmp_path):
    """Return a device that is no member yet."""
    settings = Settings(state=tmp_path / "state")
    return devices.open_device(settings, JOIN, os.urandom, lambda: a.NOW)


def test_a_stranger_s_no_is_not_the_fleet_s(device, stranger):
    """Whatever listens at an old address of the hub, the next one is asked."""
    asked = []

    def hubs():
        for url in (stranger, NOBODY):
            asked.append(url)
            yield url

    with pytest.raises(Unreachable):
        enrol.enrol(device, JOIN, "n1", hubs())
    assert asked == [stranger, NOBODY]


def test_a_stranger_alone_is_named(device, stranger):
    """With its address, and that it is not believed."""
    with pytest.raises(TrustError, match=f"cannot trust {stranger}"):
        enrol.enrol(device, JOIN, "n1", iter([stranger]))
