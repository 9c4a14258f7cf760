"""Opens what failing workloads wrote last, for the operator whose machine this is."""

from collections.abc import Callable

from msgspec import structs

from edge import sealed_text
from edge.ctl.keys import OperatorKey
from edge.ctl.shapes import Stage, Unit
from edge.errors import EdgeError

LOCKED = "(its last lines are sealed; `edgectl key unlock` lets you read them)"
Unlocked = Callable[[], OperatorKey | None]
"""Returns the operator's key, None where a passphrase would have to be asked for."""


def opened(stage: Stage, unlocked: Unlocked) -> Stage:
    """Return the stage with the last lines this operator may read, or why not."""
    if not any(each.log for each in stage.units):
        return stage
    key = unlocked()
    return structs.replace(stage, units=tuple(_read(each, key) for each in stage.units))


def _read(unit: Unit, key: OperatorKey | None) -> Unit:
    if unit.log is None:
        return unit
    if key is None:
        return structs.replace(unit, last_lines=(LOCKED,))
    try:
        text = sealed_text.read(unit.log, key.seal, key.opener)
    except EdgeError as error:
        return structs.replace(unit, last_lines=(f"({error})",))
    return structs.replace(unit, last_lines=tuple(text.splitlines()))
