"""A real Redis server for tests, as a process on loopback. Debian and Ubuntu have it as `redis-server`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

INSTALL_HINT = "There is no redis-server here: `apt-get install redis-server`, or the like."
_START_SECONDS = 10.0


def binary() -> str:
    """The server program; skips the test without it, unless REQUIRE_EXTERNALS=1."""
    found = shutil.which("redis-server")
    if found is None:
        if os.environ.get("REQUIRE_EXTERNALS") == "1":
            pytest.fail(INSTALL_HINT)
        pytest.skip(INSTALL_HINT)
    return found


@dataclass(slots=True)
class RedisServer:
    """One server, which keeps nothing on disk; it can be killed, paused, and started again empty."""

    program: str
    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What STATE_URL is to be."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts the process and returns when it answers. Fails the test when it does not."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.folder}
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            [self.program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        give_up = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > give_up or self._process.poll() is not None:
                pytest.fail("redis-server did not start")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

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
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A running, empty server; killed on leaving."""
    program = binary()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    server = RedisServer(program, folder, port)
    server.start()
    try:
        yield server
    finally:
        server.kill()
