"""Converters for what is more than one value: ports, volumes, labels, names, paths.

Like `edge.manifest.scalars`: a value comes back, or ValueError with a sentence.
"""

import ipaddress
import re

from edge import names
from edge.manifest import scalars
from edge.manifest.scalars import wrong
from edge.model import Port, Volume

PORT_MAX = 65535

_PORT = re.compile(
    r"(?:(?P<address>\d+\.[\d.]+|\[[0-9a-fA-F:.]+\]):)?"
    r"(?:(?P<host>\d{1,5}):)?(?P<container>\d{1,5})(?:/(?P<protocol>tcp|udp))?",
    re.ASCII,
)
_HOST = r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])"
_HTTP = re.compile(
    rf"http://(?:{_HOST}|{_HOST}?:(?P<port>\d{{1,5}}))(?:/[!-~]*)?", re.ASCII
)
_TCP = re.compile(rf"{_HOST}?:(?P<port>\d{{1,5}})", re.ASCII)
_DEVICE = re.compile(r"/dev(?:/[A-Za-z0-9_.:+-]+)+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_DOTS = {".", ".."}
_MODES = {"": False, "rw": False, "ro": True}
_PORT_ADVICE = 'write "8080:80", "8080:80/udp", "10.0.0.1:8080:80" or 80'
_VOLUME_ADVICE = 'write "name:/path/inside" or "/path/on/device:/path/inside:ro"'


def name(value: object) -> str:
    """Return a name of a deployment, workload, site, volume or secret."""
    text = scalars.text(value)
    if not names.is_name(text):
        raise wrong(text, f"a name is {names.NAME_RULE}")
    return text


def port(value: object) -> Port:
    """Return a published port; a bare number is the same on both sides."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = _port_number(value, value)
        return Port(host=number, container=number)
    match = _PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(value, _PORT_ADVICE)
    container = _port_number(int(match["container"]), value)
    return Port(
        host=_port_number(int(match["host"] or container), value),
        container=container,
        protocol="udp" if match["protocol"] == "udp" else "tcp",
        address=_address(match["address"] or "", value),
    )


def _port_number(number: int, value: object) -> int:
    if not 1 <= number <= PORT_MAX:
        raise wrong(value, f"a port is from 1 to {PORT_MAX}")
    return number


def _address(text: str, value: object) -> str:
    try:
        return text and str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        raise wrong(value, _PORT_ADVICE) from None


def volume(value: object) -> Volume:
    """Return a volume: ``"data:/var/lib/x"`` or ``"/path/on/device:/in:ro"``."""
    text = scalars.text(value)
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not target or mode not in _MODES:
        raise wrong(text, _VOLUME_ADVICE)
    if not source.startswith("/") and not names.is_name(source):
        raise wrong(text, f"a volume's name is {names.NAME_RULE}")
    return Volume(
        source=path(source) if source.startswith("/") else source,
        target=path(target),
        read_only=_MODES[mode],
    )


def path(value: object) -> str:
    """Return an absolute path in its one spelling, and not ``/`` itself."""
    text = scalars.text(value)
    steps = text.split("/")
    is_whole = len(steps) > 1 and not steps[0] and all(steps[1:])
    is_plain = is_whole and not _DOTS.intersection(steps)
    if not is_plain or not text.isprintable():
        raise wrong(text, 'write a whole path such as "/var/lib/x", no ".", "..", "//"')
    return text


def label(value: object) -> tuple[str, str]:
    """Return key and value of ``"role=sensor"``; ``fact.`` keys may be asked for."""
    key, equals, word = scalars.text(value).partition("=")
    is_regular = names.LABEL_KEY.fullmatch(key) and names.LABEL_VALUE.fullmatch(word)
    if not equals or not is_regular:
        raise wrong(value, 'write a label such as "role=sensor"')
    return key, word


def every(value: object) -> str:
    """Return ``"key=value"``, or ``"*"`` for all devices."""
    if value != "*":
        label(value)
    return str(value)


def user(value: object) -> str:
    """Return a user inside the container: name or number, with or without group."""
    text = scalars.text(value, scalars.SHORT_MAX)
    if not _USER.fullmatch(text):
        raise wrong(text, 'write a user such as "1000", "app" or "app:app"')
    return text


def variable(value: object) -> str:
    """Return the name of an environment variable."""
    text = scalars.text(value, scalars.SHORT_MAX)
    if not _VARIABLE.fullmatch(text):
        raise wrong(text, "a variable is letters, digits and _, not a digit first")
    return text


def setting(value: object) -> str:
    """Return an environment variable's value; a number must be written as text."""
    if isinstance(value, (bool, int, float)):
        advice = f'the environment holds text, write "{scalars.shown(value)}"'
        raise wrong(value, advice)
    return scalars.text(value)


def argument(value: object) -> str:
    """Return one word of a command."""
    if isinstance(value, (bool, int, float)):
        raise wrong(value, f'arguments are text, write "{scalars.shown(value)}"')
    return scalars.text(value)


def device(value: object) -> str:
    """Return a device node under ``/dev``."""
    text = path(value)
    if not _DEVICE.fullmatch(text):
        raise wrong(text, 'write a device node such as "/dev/video0"')
    return text


def http(value: object) -> str:
    """Return the address of an HTTP probe; an empty host is the container itself."""
    text = scalars.text(value)
    match = _HTTP.fullmatch(text)
    if match is None:
        raise wrong(text, 'write an address such as "http://:80/healthz"')
    if match["port"]:
        _port_number(int(match["port"]), text)
    return text


def tcp(value: object) -> str:
    """Return where a TCP probe connects; an empty host is the container itself."""
    text = scalars.text(value, scalars.SHORT_MAX)
    match = _TCP.fullmatch(text)
    if match is None:
        raise wrong(text, 'write ":80" or "host:80"')
    _port_number(int(match["port"]), text)
    return text
