"""The lab's registry: Debian's docker-registry, on the host's address in the lab."""

import http.client
import json
import sys
import time
from pathlib import Path

from edge import files
from edge.errors import LabError
from edge.lab import processes, programs
from edge.lab.layout import REGISTRY_PORT, LabLayout, Machine

PROGRAM = "docker-registry"
ANSWERS_WITHIN = 10.0
LOOK_EVERY = 0.02
ANSWER_TIMEOUT = 2.0
ENDS_WITHIN = 3.0
OK = 200
CONNECT = "import socket, sys; socket.create_connection(sys.argv[1:], 3)"


def start(lab: LabLayout) -> None:
    """Start the registry unless it runs; it answers some 50 ms later."""
    if processes.recall(_record(lab)) is not None:
        return
    config = _config(lab)
    files.write(config, _configuration(lab).encode())
    process = processes.start(
        (PROGRAM, "serve", str(config)),
        environ={"HOME": str(lab.registry_folder)},
        log=_log(lab),
    )
    processes.record(_record(lab), process)


def wait(lab: LabLayout) -> None:
    """Return when the registry answers; raise `LabError` when it does not."""
    deadline = time.monotonic() + ANSWERS_WITHIN
    while not answers(lab):
        if time.monotonic() > deadline or processes.recall(_record(lab)) is None:
            problem = f"cannot reach the registry at {lab.registry}"
            raise LabError(f"{problem}: see {_log(lab)}")
        time.sleep(LOOK_EVERY)


def check_reachable(lab: LabLayout, machine: Machine) -> None:
    """Raise `LabError` unless ``machine`` reaches the registry.

    The host's own firewall is not ours to open.
    """
    enter = ("nsenter", f"--net={machine.namespace_path}", sys.executable, "-I", "-c")
    try:
        programs.call(*enter, CONNECT, lab.host_address, str(REGISTRY_PORT))
    except LabError as error:
        problem = f"cannot reach the registry at {lab.registry} from {machine.name}"
        advice = f"let the host's firewall accept what comes in on {lab.lan}"
        raise LabError(f"{problem}: {advice}") from error


def answers(lab: LabLayout) -> bool:
    """Return whether the registry answers a request now."""
    connection = http.client.HTTPConnection(
        lab.host_address, REGISTRY_PORT, timeout=ANSWER_TIMEOUT
    )
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(lab: LabLayout) -> None:
    """End the registry, also one whose record was lost."""
    process = processes.recall(_record(lab))
    if process is not None:
        processes.end(process, within=ENDS_WITHIN)
    processes.kill_every(processes.mentions(PROGRAM, str(_config(lab))))
    files.remove(_record(lab))


def _configuration(lab: LabLayout) -> str:
    # JSON is YAML; the address keeps it off every other network of the host.
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(lab.registry_folder / "content")},
                "delete": {"enabled": True},
            },
            "http": {"addr": lab.registry},
        },
        indent=2,
    )


def _config(lab: LabLayout) -> Path:
    return lab.registry_folder / "config.yml"


def _record(lab: LabLayout) -> Path:
    return lab.processes / "registry"


def _log(lab: LabLayout) -> Path:
    return lab.logs / "registry.log"
