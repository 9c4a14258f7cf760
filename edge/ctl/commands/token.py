"""`edgectl token`: join files, by which devices become members."""

import secrets

import click

from edge import joinfile, sealing
from edge.ctl import approval, render, terminal, web
from edge.ctl.exits import not_found
from edge.ctl.fleet import PORT, Fleet, open_fleet
from edge.ctl.options import DURATION, Chosen, shared
from edge.documents import Revocation, Voucher
from edge.joinfile import JoinFile

ID_BYTES = 6  # 48 bits tell the tokens of one fleet apart
OPEN_FOR = 24 * 3600.0
OPENS_BEFORE = 300.0
"""Seconds a token opens before it is made: the hub's clock may be behind this one."""


@click.group()
def token() -> None:
    """Make join files for devices."""


@token.command()
@click.option("--site", required=True, help="Where the devices are.")
@click.option("--label", "labels", multiple=True, help="key=value; repeatable.")
@click.option("--uses", type=click.IntRange(1, 1_000_000), default=1, help="1.")
@click.option("--expires", type=DURATION, default=OPEN_FOR, help="24h.")
@click.option("--approve", is_flag=True, help="Nothing runs before `node approve`.")
@click.option("--hub", "hubs", multiple=True, help="Address for the devices.")
@shared
def create(  # noqa: PLR0913 - one parameter for each term of a voucher
    chosen: Chosen,
    *,
    site: str,
    labels: tuple[str, ...],
    uses: int,
    expires: float,
    approve: bool,
    hubs: tuple[str, ...],
) -> None:
    """Write a join file to stdout; whoever holds it can add devices."""
    addresses = tuple(str(web.address(each, port=PORT)) for each in hubs)
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        opened.fetch("revocation")
        seed = secrets.token_bytes(sealing.SEED_BYTES)
        now = opened.now()
        made = Voucher(
            fleet=opened.context.fleet,
            id=f"v-{secrets.token_hex(ID_BYTES)}",
            key=sealing.SigningKey(seed).public,
            site=site,
            uses=uses,
            opens_at=now - OPENS_BEFORE,
            closes_at=now + expires,
            issued_at=now,
            labels=approval.parse_labels(labels),
            approve=approve,
            scope=opened.me.scope.name,
        )
        join = _join(opened, made, seed, addresses)
        text = joinfile.render(join)
        opened.hand_in([made], [join.voucher])
    until = render.moment(made.closes_at)
    terminal.tell(f"token {made.id}: {uses} devices at {site}, until {until}")
    click.echo(text, nl=False)


@token.command("list")
@shared
def list_tokens(chosen: Chosen) -> None:
    """List the tokens that were made, and how often each was used."""
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        opened.fetch("voucher/", "revocation", "member/")
        opened.warn()
        rows = [_row(opened, each) for each in opened.ledger.vouchers.values()]
    rows.sort(key=lambda row: str(row["id"]))
    if chosen.is_json:
        terminal.show(render.to_json(rows))
        return
    lines = (
        (
            str(row["id"]),
            str(row["state"]),
            str(row["site"]),
            f"{row['used']}/{row['uses']}",
            render.moment(float(str(row["closes_at"]))),
        )
        for row in rows
    )
    terminal.show(render.table(("ID", "STATE", "SITE", "USED", "UNTIL"), lines))


@token.command()
@click.argument("identity", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared
def revoke(chosen: Chosen, identity: str, *, yes: bool) -> None:
    """Trust neither token ID nor any device that joined by it from now on."""
    with open_fleet(chosen.context) as opened:
        opened.sync_trust()
        opened.fetch("voucher/", "revocation", "member/")
        if identity not in opened.ledger.vouchers:
            raise not_found(f"cannot find token {identity!r}; see `edgectl token list`")
        count = len(opened.ledger.uses.get(identity, ()))
        if not yes:
            click.confirm(f"Revoke the token and its {count} devices?", abort=True)
        opened.submit(revocation(opened, vouchers=(identity,)))
    terminal.tell(f"revoked token {identity} and {count} devices")


def revocation(
    opened: Fleet, devices: tuple[str, ...] = (), vouchers: tuple[str, ...] = ()
) -> Revocation:
    """Return the next revocation: all of the one before, and these."""
    before = opened.ledger.revocation
    return Revocation(
        fleet=opened.context.fleet,
        version=opened.memory.next_version("revocation"),
        issued_at=opened.now(),
        devices=_more(before.devices if before else (), devices),
        vouchers=_more(before.vouchers if before else (), vouchers),
    )


def _more(before: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*before, *new}))


def _join(
    opened: Fleet, voucher: Voucher, seed: bytes, hubs: tuple[str, ...]
) -> JoinFile:
    floors = {"trust": opened.trust.version}
    if opened.ledger.revocation is not None:
        floors["revocation"] = opened.ledger.revocation.version
    return JoinFile(
        fleet=voucher.fleet,
        root=opened.context.anchor,
        hubs=hubs or tuple(hub.url for hub in opened.trust.hubs),
        seed=seed,
        voucher=opened.sign(voucher),
        floors=floors,
    )


def _row(opened: Fleet, voucher: Voucher) -> dict[str, object]:
    revoked = opened.ledger.revocation
    is_revoked = revoked is not None and voucher.id in revoked.vouchers
    is_open = voucher.opens_at <= opened.now() < voucher.closes_at
    return {
        "id": voucher.id,
        "state": "revoked" if is_revoked else "open" if is_open else "closed",
        "site": voucher.site,
        "labels": voucher.labels,
        "uses": voucher.uses,
        "used": len(opened.ledger.uses.get(voucher.id, ())),
        "opens_at": voucher.opens_at,
        "closes_at": voucher.closes_at,
        "approve": voucher.approve,
    }
