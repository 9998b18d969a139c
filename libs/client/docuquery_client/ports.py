"""Free ports, for systems that are started beside each other."""

from __future__ import annotations

import random
import socket
import sys
from contextlib import ExitStack

# Below those that systems give to outgoing connections (32768 and up on Linux): between the look and the use
# of a port nobody gets it by chance.
LOOKED_AT = range(20_000, 32_000)

_found: set[int] = set()


def free_ports(count: int, among: range = LOOKED_AT) -> list[int]:
    """`count` different ports of loopback, chosen by chance, that nobody listens on at this moment.

    None of them is found again by this process, nor, on Linux, by another one while this one lives: what is
    started there may take its time. Raises OSError.
    """
    found: list[int] = []
    with ExitStack() as looking:
        for port in random.sample(among, len(among)):
            if port in _found:
                continue
            try:
                looking.enter_context(socket.create_server(("127.0.0.1", port)))
                _claim(port)
            except OSError:
                continue
            _found.add(port)
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"there are no {count} free ports from {among.start} to {among.stop - 1}")


def _claim(port: int) -> None:
    """Takes a name that only one process of a network namespace can have, and loses when it ends.

    Raises OSError where another one has it.
    """
    if sys.platform != "linux":
        return
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0docuquery-port-{port}")
    except OSError:
        claim.close()
        raise
    claim.detach()  # open for as long as the process lives
