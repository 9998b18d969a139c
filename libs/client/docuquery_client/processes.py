"""One child process: its log lines, its end, and how it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias

KEPT_LINES = 2000
"""Log lines kept of each process, for error reports and tests."""

_LAST_LINES_SECONDS = 1.0
"""For output still in the pipe after the process's end."""

LineCallback: TypeAlias = Callable[[str, str], None]
"""Told the process's name and one line of its output, without the line's end."""


class ManagedProcess(asyncio.SubprocessProtocol):
    """A child process in a session of its own, so that Ctrl-C reaches it through us only.

    A protocol, and not `asyncio.subprocess.Process`, because that one's `wait` waits for the output pipe
    too, which a grandchild may keep open.
    """

    def __init__(self, name: str, on_line: LineCallback | None) -> None:
        self.name = name
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        """The last lines of its standard output and error, oldest first."""
        self._on_line = on_line
        self._transport: asyncio.SubprocessTransport | None = None
        self._rest = b""
        self._exited = asyncio.Event()
        self._all_read = asyncio.Event()

    @classmethod
    async def start(
        cls,
        name: str,
        command: tuple[str, ...],
        env: Mapping[str, str],
        on_line: LineCallback | None = None,
        cwd: Path | None = None,
    ) -> Self:
        """Starts `command` with exactly the environment `env`, in the folder `cwd` (None: this one).

        Raises OSError when it cannot be run.
        """
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(name, on_line),
            *command,
            env=dict(env),
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return process

    @property
    def _started(self) -> asyncio.SubprocessTransport:
        if self._transport is None:
            raise RuntimeError("the process is made by `start`")
        return self._transport

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._started.get_pid()

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._started.get_returncode()

    async def wait(self) -> int:
        """Waits for its end and for its last line; returns the exit code."""
        await self._exited.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_LINES_SECONDS):
                await self._all_read.wait()
        self._started.close()
        code = self.returncode
        if code is None:
            raise RuntimeError("a process that has exited has a code")
        return code

    async def stop(self, grace_seconds: float) -> int:
        """SIGTERM, and SIGKILL when it has not ended after `grace_seconds`; returns the exit code."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                self._started.terminate()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._exited.wait()
        except TimeoutError:
            self._emit(f"did not stop within {grace_seconds:g} s, killed")
            self.kill()
        return await self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, and not its children. Does nothing after its end."""
        with suppress(ProcessLookupError):
            self._started.send_signal(number)

    def kill(self) -> None:
        """SIGKILL to it and its children, at once. Does nothing after its end."""
        if not self._exited.is_set():
            self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It was started."""
        if isinstance(transport, asyncio.SubprocessTransport):
            self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 # one pipe only
        """It wrote something, not always whole lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line.decode("utf-8", "replace").rstrip("\r"))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 # the same
        """Nobody writes any more."""
        if self._rest:
            self._emit(self._rest.decode("utf-8", "replace"))
            self._rest = b""
        self._all_read.set()

    def process_exited(self) -> None:
        """It ended; the children it left end with it."""
        self._kill_group()
        self._exited.set()

    def _emit(self, line: str) -> None:
        self.lines.append(line)
        if self._on_line is not None:
            try:
                self._on_line(self.name, line)
            except OSError:
                # Nobody reads our output any more. Go on reading: a full pipe would stop the child.
                self._on_line = None
