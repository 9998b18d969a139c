"""Compacting in a process of its own, since the engine holds the interpreter lock all the while."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import structlog

log = structlog.get_logger()


async def compact_in_child(folder: Path) -> None:
    """Compacts the store in `folder` before it is opened. What goes wrong is logged: the store can be served.

    Cancelled, it kills the child, which loses nothing.
    """
    if not (folder / "store.json").exists():
        return
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.retrieval.admin", "compact", "--parent", str(os.getpid())),
        env={**os.environ, "DATA_DIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    said = output.decode(errors="replace").splitlines()
    if child.returncode == 0:
        log.info("compacted", said=said)
    else:
        log.error("compact_failed", exit_code=child.returncode, said=said)
