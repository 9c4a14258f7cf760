"""The ready-made images: a web server of 1 MB that says who it is, and one that is ill.

``web:1`` and ``web:2`` answer ``/`` with version and host name, ``/healthz`` with 200;
``web:bad`` answers ``/healthz`` with 500 and says so in its log; ``web:user`` is
version 1 for uid 1000, whose containers need the sysctl
``net.ipv4.ip_unprivileged_port_start=0`` for port 80. All end at once on SIGTERM. They
share a lower layer, so an update pulls a kilobyte.
"""

import shutil
from pathlib import Path

from edge.errors import LabError
from edge.lab import images, programs
from edge.lab.layout import LabLayout

PORT = 80
USER_ID = 1000
APPLETS = ("sh", "cat", "hostname", "httpd", "kill", "nc", "sleep", "wget")
EXECUTABLE = 0o755
READABLE = 0o644

PASSWD = f"root:x:0:0:root:/:/bin/sh\nweb:x:{USER_ID}:{USER_ID}:web:/:/bin/sh\n"
GROUP = f"root:x:0:\nweb:x:{USER_ID}:\n"

# PID 1 gets no default actions for signals: without the trap a stop takes ten seconds.
INIT = """\
#!/bin/sh
trap 'kill "$server" 2>/dev/null; exit 0' TERM INT
{server} &
server=$!
wait "$server"
"""
SERVE = "httpd -f -p 80 -h /www"
# httpd gives a plain path no status of its own: the ill one answers by hand.
SERVE_ILL = "nc -ll -p 80 -e /answer"

# httpd runs this for / because there is no index.html.
INDEX = """\
#!/bin/sh
read -r version < /etc/version
read -r host < /proc/sys/kernel/hostname
printf 'Content-Type: text/plain\\r\\n\\r\\nweb %s on %s\\n' "$version" "$host"
"""

# All of the request is read first: closing with unread bytes resets the connection.
ANSWER_ILL = """\
#!/bin/sh
read -r verb path rest
while read -r line && [ "${#line}" -gt 1 ]; do :; done
case $path in
/healthz*)
    printf 'HTTP/1.1 500 Internal Server Error\\r\\n'
    echo 'web bad: cannot find my table' > /proc/1/fd/2
    ;;
*) printf 'HTTP/1.1 200 OK\\r\\n' ;;
esac
printf 'Connection: close\\r\\n'
exec /www/cgi-bin/index.cgi
"""


def push(lab: LabLayout) -> None:
    """Build the four images and push them to the lab's registry."""
    with images.workspace(lab) as scratch:
        lower = images.layer(_base(scratch / "base"), scratch / "base.layer")
        for tag, user in (("1", ""), ("2", ""), ("bad", ""), ("user", str(USER_ID))):
            root = _version(scratch / tag, tag)
            upper = images.layer(root, scratch / f"{tag}.layer")
            settings = images.Settings(
                environment={"PATH": "/bin"}, user=user, port=PORT
            )
            images.push(lab, (lower, upper), f"web:{tag}", settings)


def _base(root: Path) -> Path:
    busybox = programs.find("busybox")
    if busybox is None:
        raise LabError("cannot build web: run apt-get install busybox-static")
    for folder in ("bin", "etc", "proc", "sys", "dev", "run", "tmp"):
        _folder(root / folder)
    (root / "tmp").chmod(0o1777)
    shutil.copyfile(busybox, root / "bin" / "busybox")
    (root / "bin" / "busybox").chmod(EXECUTABLE)
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    _file(root / "etc" / "passwd", PASSWD)
    _file(root / "etc" / "group", GROUP)
    return root


def _version(root: Path, tag: str) -> Path:
    version = "1" if tag == "user" else tag
    ill = tag == "bad"
    _file(root / "etc" / "version", f"{version}\n")
    _file(root / "www" / "cgi-bin" / "index.cgi", INDEX, EXECUTABLE)
    _file(root / "www" / "healthz", "ok\n")
    server = SERVE_ILL if ill else SERVE
    _file(root / "init", INIT.format(server=server), EXECUTABLE)
    if ill:
        _file(root / "answer", ANSWER_ILL, EXECUTABLE)
    return root


def _file(path: Path, text: str, mode: int = READABLE) -> None:
    _folder(path.parent)
    path.write_text(text)
    path.chmod(mode)


def _folder(path: Path) -> None:
    """Make a folder that any user may enter, whatever the umask."""
    for part in [*reversed(path.parents), path]:
        if not part.exists():
            part.mkdir()
            part.chmod(EXECUTABLE)
