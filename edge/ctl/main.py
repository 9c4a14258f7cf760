"""`edgectl`: which words it knows, and how every command ends.

A command's module is imported when its name was typed, so that `edgectl --help` costs
click and nothing else. Every error ends here, as one sentence and one exit code;
``EDGE_DEBUG=1`` shows where it came from.
"""

import gc
import importlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import click

from edge.ctl import options, terminal
from edge.ctl.exits import Exit, code_of, epilogue
from edge.ctl.options import Chosen
from edge.errors import EdgeError

HERE = "edge.ctl.commands"
# Name → where it is, and what `--help` says of it.
COMMANDS = {
    "fleet": (f"{HERE}.fleet:fleet", "Begin a fleet; show it."),
    "hub": (f"{HERE}.hub:hub", "Sign a hub into the fleet."),
    "token": (f"{HERE}.token:token", "Make join files for devices."),
    "get": (f"{HERE}.show:get", "List devices and deployments."),
    "describe": (f"{HERE}.show:describe", "Show all about one device."),
    "ps": (f"{HERE}.show:ps", "List replicas."),
    "plan": (f"{HERE}.plan:plan", "Show what a manifest would change."),
    "diff": (f"{HERE}.plan:diff", "Show in what a manifest differs."),
    "deploy": (f"{HERE}.deploy:deploy", "Sign a manifest and run it."),
    "rollout": (f"{HERE}.rollout:rollout", "Watch, hold, take back a rollout."),
    "delete": (f"{HERE}.deploy:delete", "End a deployment."),
    "secret": (f"{HERE}.secret:secret", "Seal values for the devices that need them."),
    "node": (f"{HERE}.node:node", "Approve, label, cordon, drain, revoke devices."),
    "site": (f"{HERE}.site:site", "Show and name the voters of a site."),
    "events": (f"{HERE}.events:events", "Show what was decided and refused."),
    "doctor": (f"{HERE}.doctor:doctor", "Say what is wrong and what to do about it."),
    "context": (f"{HERE}.context:context", "Choose the fleet to talk to."),
    "key": (f"{HERE}.key:key", "Unlock the operator's key for a while."),
    "operator": (f"{HERE}.operator:operator", "Say who may sign what runs."),
    "trust": (f"{HERE}.fleet:trust", "Show who the fleet trusts."),
    "mqtt": (f"{HERE}.mqtt:mqtt", "Let a dashboard read telemetry."),
    "image": (f"{HERE}.image:image", "Make bootable images of devices."),
    "simulate": ("edge.ctl.simulate:simulate", "Play a manifest on failing devices."),
    "lab": ("edge.ctl.lab:lab", "Run a whole fleet on this machine."),
}


class Lazy(click.Group):
    """A group that knows its commands by name and imports the one that is called.

    The signatures are click's, with a context none of this needs.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of COMMANDS, which is the order of use."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command, importing its module; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        place, attribute = COMMANDS[cmd_name][0].split(":")
        # What an import makes stays; collecting among it costs a deploy 50 ms.
        gc.disable()
        found = getattr(importlib.import_module(place), attribute)
        gc.freeze()
        gc.enable()
        assert isinstance(found, click.Command)  # noqa: S101 - a slip in COMMANDS
        return found

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Lazy,
    epilog=epilogue(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="tutti", message="%(version)s")
@options.output
@options.context
@click.pass_context
def cli(ctx: click.Context, context_name: str | None, output_as: str | None) -> None:
    """Run containers on fleets of small devices, hub or no hub."""
    ctx.obj = Chosen(context=context_name, output=output_as or options.TABLE)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its code."""
    code = run(lambda: cli.main(arguments, "edgectl", standalone_mode=False))
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(code)


def run(command: Callable[[], object]) -> int:
    """Return the exit code of a command; print its error as one sentence."""
    try:
        found = command()
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        terminal.tell("stopped; what was handed in before goes on")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILURE
    except EdgeError as error:
        code = code_of(error)
        _show(error, f"{error}; {PLAY_ON}" if code is Exit.UNREACHABLE else "")
        return code
    except Exception as error:  # noqa: BLE001 - the last place to say it in a sentence
        _show(error, f"cannot go on: {type(error).__name__}: {error}; {REPORT}")
        return Exit.FAILURE
    return found if isinstance(found, int) else Exit.OK


PLAY_ON = "devices play on without it; `edgectl doctor` says what to look at"
REPORT = "this is a defect of edgectl, EDGE_DEBUG=1 shows where"


def _show(error: Exception, sentence: str = "") -> None:
    if os.environ.get("EDGE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    terminal.tell(f"edgectl: {sentence or error}")


if __name__ == "__main__":
    main()
