"""The agent itself: one small process that holds operator keys until their time is up.

Started by `edge.ctl.agent` with a socket that listens already. Other processes of the
same user may ask it, as with ssh-agent; none may look into it (it is not dumpable,
which also keeps it out of core files). `edge.ctl.agent_loop` is what it does.
"""

import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Leave a child behind that serves on an inherited socket; return at once.

    Nothing else is imported before the fork: whoever starts the agent waits for it.
    """
    if os.fork():
        os._exit(0)
    from edge.ctl.agent_loop import serve

    serve(int(arguments[0]), Path(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
