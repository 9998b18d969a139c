"""A child process that ends with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with(parent_pid: int) -> None:
    """Has the system kill this process when its parent ends, however that happens; only Linux can.

    A thread that watches the parent would not get to run while an engine holds the interpreter lock.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it ended before
            os.kill(os.getpid(), signal.SIGKILL)
