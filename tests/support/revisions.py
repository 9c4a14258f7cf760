"""Sign the next version of a deployment by hand: with a rollout, and what differs.

``python -m tests.support.revisions NAME CHANGES`` in a lab's environment; CHANGES is
JSON: ``workload`` and ``rollout`` hold the fields to replace, ``back`` the version to
go back to.
"""

import json
import subprocess
import sys
from typing import Any

import msgspec

from edge.ctl.fleet import open_fleet
from edge.documents import Deployment
from edge.staging.shapes import Rollout, Wave
from tests.support.labs import Lab

EVERYBODY = Rollout(strategy="all-at-once", waves=(Wave(share=10_000),))


def release(
    lab: Lab, name: str, *, rollout: dict[str, Any], back: int = 1, **workload: Any
) -> None:
    """Hand in the next version of a deployment, and which one to go back to."""
    changes = json.dumps({"rollout": rollout, "workload": workload, "back": back})
    words = [sys.executable, "-m", "tests.support.revisions", name, changes]
    done = subprocess.run(
        words, env=lab.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def revised(before: Deployment, changes: dict[str, Any], at: float) -> Deployment:
    """Return the next version: of its first workload, some fields are replaced."""
    first, *others = before.workloads
    return msgspec.structs.replace(
        before,
        version=before.version + 1,
        issued_at=at,
        workloads=(_changed(first, changes["workload"]), *others),
        rollout=_changed(EVERYBODY, changes["rollout"]),
        fallback=changes["back"],
    )


def _changed(part: Any, fields: dict[str, Any]) -> Any:
    plain = {**msgspec.to_builtins(part), **fields}
    return msgspec.convert(plain, type=type(part))


def main() -> None:
    """Sign and hand in."""
    name, changes = sys.argv[1:]
    with open_fleet(None) as opened:
        opened.sync_trust()
        opened.fetch(f"deployment/{name}")
        before = opened.ledger.deployments[name]
        made = revised(before, json.loads(changes), opened.now())
        opened.submit(made)


if __name__ == "__main__":
    main()
