"""Performs one action with the hand that can: the runtime, or the vault.

Actions carry no secret values; they are looked up here, at the last moment, and go to
the vault only.
"""

from collections.abc import Mapping
from typing import assert_never

from edge.errors import RuntimeFailure
from edge.names import Slot
from node.actions import Action, Create, Provide, Pull, Remove, Start, Stop, Wipe
from node.runtime import Runtime
from node.vault import Vault

Values = Mapping[Slot, Mapping[str, bytes]]
"""Slot → secret's short name → its bytes."""


async def perform(
    action: Action, runtime: Runtime, vault: Vault, values: Values
) -> tuple[str, ...]:
    """Do it; return what people should know though it succeeded.

    Raises what `Runtime` and `Vault` raise; nothing is undone then, the next plan sees
    what is.
    """
    match action:
        case Pull():
            await runtime.pull(action.image, action.platform)
        case Create():
            # Podman refuses to create a mount of a folder that is not there.
            vault.prepare(action.container, action.replica.workload.secrets.values())
            return await runtime.create(action.replica)
        case Provide():
            await _provide(action, runtime, vault, values)
        case Start():
            await runtime.start(action.container)
        case Stop():
            await runtime.stop(action.container, is_immediate=action.is_immediate)
        case Remove():
            await runtime.remove(action.container)
        case Wipe():
            vault.wipe(action.container)
        case _:
            assert_never(action)
    return ()


async def _provide(
    action: Provide, runtime: Runtime, vault: Vault, values: Values
) -> None:
    wanted = action.replica.workload.secrets
    known = values.get(action.replica.slot, {})
    missing = sorted(wanted.keys() - known.keys())
    if missing:
        problem = f"cannot provide {', '.join(missing)} to {action.replica.slot}: "
        raise RuntimeFailure(problem + "not opened on this device yet")
    owner = await runtime.owner(action.container)
    files = {target: known[name] for name, target in wanted.items()}
    vault.fill(action.container, files, owner, action.replica.secrets)
