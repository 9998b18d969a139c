"""Ports that are found are nobody else's."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from docuquery_client.ports import LOOKED_AT, free_ports

FIND = """
import sys
from docuquery_client.ports import free_ports
print(*free_ports(1, range(int(sys.argv[1]), int(sys.argv[1]) + 2)))
"""


def found_by_another_process(first: int) -> int:
    """What one finds among two ports, and ends."""
    command = [sys.executable, "-c", FIND, str(first)]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


def test_no_port_is_found_twice() -> None:
    found = [port for _ in range(50) for port in free_ports(4)]
    assert len(set(found)) == 200
    for port in found[:4]:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_somebody_listens_on_is_not_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"no 1 free ports from {port} to {port}"):
            free_ports(1, range(port, port + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that end with their process")
def test_another_process_does_not_find_it_either() -> None:
    (found,) = free_ports(1, LOOKED_AT[:-1])
    other = found_by_another_process(found)
    assert other == found + 1
    assert found_by_another_process(found) == other, "the process that had it has ended"
