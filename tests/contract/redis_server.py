"""A real Redis server for tests, as a process on loopback: Debian's `redis-server`, or REDIS_BINARY."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from docuquery_client.ports import free_ports

INSTALL_HINT = "Install it with `apt-get install redis-server`, or set REDIS_BINARY to one."
_START_SECONDS = 20.0


def binary() -> str:
    """The server program; skips the test without it, unless REQUIRE_EXTERNALS=1."""
    found = os.environ.get("REDIS_BINARY") or shutil.which("redis-server")
    if found is None:
        if os.environ.get("REQUIRE_EXTERNALS") == "1":
            pytest.fail(f"There is no Redis server. {INSTALL_HINT}")
        pytest.skip(f"There is no Redis server. {INSTALL_HINT}")
    return found


@dataclass(slots=True)
class RedisServer:
    """One server process that keeps nothing on disk; it can be killed, paused, and started again empty."""

    program: str
    folder: Path
    port: int
    options: tuple[str, ...] = ()
    """Further arguments of the program."""
    scheme: str = "redis"
    query: str = ""
    """What follows the database in `url`."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """What STATE_URL is to be."""
        return f"{self.scheme}://127.0.0.1:{self.port}/0{self.query}"

    def start(self) -> None:
        """Starts the process and returns when it takes connections. Fails the test after a while."""
        self.folder.mkdir(parents=True, exist_ok=True)
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder))
        command = (self.program, *where, "--save", "", "--appendonly", "no", *self.options)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        pytest.fail(f"Redis did not start; its log ends: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: it is there and says nothing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server(
    folder: Path, *options: str, scheme: str = "redis", query: str = ""
) -> Iterator[RedisServer]:
    """A running server; `options` are further arguments of the program."""
    (port,) = free_ports(1)
    if scheme == "rediss":
        options = (*options, "--tls-port", str(port), "--port", "0")
    server = RedisServer(binary(), folder, port, options, scheme, query)
    try:
        server.start()
        yield server
    finally:
        server.kill()
