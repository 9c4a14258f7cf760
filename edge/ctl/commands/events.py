"""`edgectl events`: what the hub and the devices decided and refused."""

import time

import click

from edge.ctl import render, terminal
from edge.ctl.fleet import open_fleet
from edge.ctl.options import Chosen, shared

WAIT = 20.0  # seconds of one long poll
PAUSE = 1.0  # seconds between polls of a hub that answers at once


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--after", default="", metavar="ID", help="Only later ones.")
@shared
def events(chosen: Chosen, after: str, *, follow: bool) -> None:
    """Show what was decided and refused, oldest first; JSON is one event a line."""
    import msgspec

    with open_fleet(chosen.context) as opened:
        while True:
            began = time.monotonic()
            found = opened.hub.events(after, WAIT if follow and after else 0.0).events
            for each in found:
                as_json = msgspec.json.encode(each).decode()
                terminal.show(as_json if chosen.is_json else render.event(each))
            after = str(found[-1].id) if found else after
            if not found and not follow:
                return
            if not found:
                time.sleep(max(0.0, PAUSE - (time.monotonic() - began)))
