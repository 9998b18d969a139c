"""Runs a module as `python -m` does, and ends it when the process that started it is gone.

    python -m docuquery_client.tethered PARENT_PID MODULE [ARGUMENT ...]

Without it, services would go on, and keep their ports, after a supervisor that was killed.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 30.0
"""From SIGTERM to SIGKILL; longer than a service drains."""


def end_with(parent_pid: int) -> None:
    """Sends this process SIGTERM as soon as `parent_pid` is no longer its parent, SIGKILL if that fails."""

    def watch() -> None:
        # An orphan gets another parent. Polling works on every system and needs no C library.
        while os.getppid() == parent_pid:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        # A signal that comes in the wrong moment of a start can be lost, and nobody else is left to stop us.
        time.sleep(_GRACE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="tether", daemon=True).start()


def main(arguments: list[str]) -> None:
    """Does what the module says."""
    parent_pid, module = int(arguments[0]), arguments[1]
    end_with(parent_pid)
    sys.argv[:] = [module, *arguments[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
