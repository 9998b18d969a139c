"""Free ports, for systems that are started beside each other."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

# Below those that systems give to outgoing connections (32768 and up on Linux): between the look and the use
# of a port nobody gets it by chance.
_LOOKED_AT = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """`count` different ports of loopback that nobody listens on at this moment. Raises OSError."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in random.sample(_LOOKED_AT, len(_LOOKED_AT)):
            try:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"there are no {count} free ports from {_LOOKED_AT.start} to {_LOOKED_AT.stop - 1}")
