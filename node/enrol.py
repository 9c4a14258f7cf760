"""First contact: from a join file to a member with a certificate.

Each step is idempotent and the order makes an interruption harmless: keys are on disk
before anyone hears of them; the fleet's trust is accepted by the root's fingerprint in
the join file, over a connection nobody vouches for; only then is the hub's certificate
checked, against the CA the root named; the member document comes out the same every
time; certificate, voucher and member are stored when the hub has accepted.
"""

from collections.abc import Iterator
from pathlib import Path

from edge import documents, files, sealing, tls
from edge.documents import CertificateRequest, Member, Voucher
from edge.errors import (
    ConfigError,
    EdgeError,
    RequestError,
    TrustError,
    Unreachable,
    WireError,
)
from edge.joinfile import JoinFile
from edge.names import NAME_RULE, is_name
from edge.trust import Accepted, Head, Known, Ledger, Refused, judge
from node.device import Device
from node.hub_api import HubApi

SERIAL = "certificate.serial"
SERIAL_SKIP = 900
"""How far to skip when the hub has seen a higher serial (a restored old disk); less
than what `edge.trust.versions` takes for a jump."""
SKIPS = 8


def raise_floors(ledger: Ledger, join: JoinFile) -> None:
    """Let nothing below the join file's floors in, although nothing is held yet."""
    for stream, low in join.floors.items():
        if ledger.head(stream) is None and low > 1:
            ledger.heads[stream] = Head(counter=(low - 1,), digest="")


def enrol(device: Device, join: JoinFile, name: str, hubs: Iterator[str]) -> str:
    """Try each hub until one lets us in; return its URL.

    Raises `RequestError` when a hub says no, `Unreachable` when none answered.
    """
    raise_floors(device.ledger, join)
    if not is_name(name):
        raise ConfigError(f"cannot enrol as {name!r}: a name is {NAME_RULE}")
    last: EdgeError = Unreachable("cannot enrol: no hub is known and mDNS found none")
    for url in hubs:
        try:
            _enrol_at(device, join, name, url)
        except (Unreachable, TrustError) as error:
            last = error
        else:
            return url
    raise last


def _enrol_at(device: Device, join: JoinFile, name: str, url: str) -> None:
    _find_trust(device, url)
    hub = _verified(device, url)
    voucher = _voucher(device, join)
    document = _member(device, join, voucher, name)
    certificate = hub.submit(document)
    _keep_certificate(device, certificate)
    _accept(device, voucher)
    _accept(device, judge(document, device.ledger, device.clock()))


def _find_trust(device: Device, url: str) -> None:
    """Fetch trust from whoever is there: a "no" of a stranger's is not the fleet's."""
    try:
        fetch_trust(device, HubApi(url, tls.unverified_context()))
    except (RequestError, WireError) as error:
        raise TrustError("not-authorised", f"cannot trust {url}: {error}") from error


def renew(device: Device, url: str) -> None:
    """Ask for a new certificate with the device's signing key, however late.

    Raises `RequestError`, `TrustError` or `Unreachable`.
    """
    hub = _verified(device, url)
    member = device.ledger.members[device.identity.device].member
    for _ in range(SKIPS):
        try:
            _renew_with(device, hub, member, _next_serial(device.store.folder))
        except RequestError as error:
            if error.reason not in {"rolled-back", "conflict"}:
                raise
            _next_serial(device.store.folder, skip=SERIAL_SKIP)
        else:
            return


def fetch_trust(device: Device, hub: HubApi) -> None:
    """Take over the newest trust; raise `TrustError` when none leads to the anchor."""
    held = device.ledger.trust.version if device.ledger.trust else 0
    problem = f"cannot trust {hub.url}: it knows no trust document"
    for data in hub.trust(held):
        verdict = judge(data, device.ledger, device.clock())
        if isinstance(verdict, Refused):
            problem = f"cannot trust {hub.url}: {verdict.problem}"
            continue
        _accept(device, verdict)
    if device.ledger.trust is None:
        raise TrustError("not-authorised", problem)


def _verified(device: Device, url: str) -> HubApi:
    trust = device.ledger.trust
    if trust is None or not trust.ca:
        raise TrustError("not-authorised", f"cannot trust {url}: root named no CA yet")
    context = tls.client_context(trust.ca.encode())
    return HubApi(url, context, device.judge_peer)


def _voucher(device: Device, join: JoinFile) -> Accepted | Known:
    verdict = judge(join.voucher, device.ledger, device.clock())
    if isinstance(verdict, Refused) or not isinstance(verdict.document, Voucher):
        said = verdict.problem if isinstance(verdict, Refused) else "it is no voucher"
        raise TrustError("unknown-voucher", f"cannot use the join file: {said}")
    return verdict


def _member(
    device: Device, join: JoinFile, voucher: Accepted | Known, name: str
) -> bytes:
    document = Member(
        fleet=join.fleet,
        device=device.identity.device,
        name=name,
        version=1,
        voucher=voucher.document.stream.partition("/")[2],
        keys=device.identity.public,
    )
    join_key = sealing.SigningKey(join.seed)
    return documents.sign(document, join_key, device.identity.sign)


def _renew_with(device: Device, hub: HubApi, member: Member, serial: int) -> None:
    request = CertificateRequest(
        fleet=member.fleet,
        subject=member.name,
        key=device.identity.public.tls,
        serial=serial,
    )
    _keep_certificate(device, hub.submit(documents.sign(request, device.identity.sign)))


def _next_serial(folder: Path, *, skip: int = 1) -> int:
    path = folder / SERIAL
    content = files.read(path, at_most=32) or b"0"
    number = (int(content) if content.isdigit() else 0) + skip
    files.write(path, b"%d" % number)
    return number


def _keep_certificate(device: Device, certificate: str) -> None:
    pem = certificate.encode()
    tls.validity(pem)  # refuses what is not a certificate
    files.write(device.certificate, pem)


def _accept(device: Device, verdict: Accepted | Known | Refused) -> None:
    if isinstance(verdict, Refused):
        raise TrustError(verdict.reason, f"cannot enrol: {verdict.problem}")
    if isinstance(verdict, Accepted):
        device.ledger.record(verdict)
    device.store.keep([verdict], device.ledger)
