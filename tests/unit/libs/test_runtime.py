"""A service as a process: what it does around serving."""

from __future__ import annotations

import subprocess
import sys

SERVICE = """
import asyncio, gc, os, signal
from contextlib import asynccontextmanager
from libs.runtime import run
from libs.settings import ServiceSettings

@asynccontextmanager
async def start(settings):
    made_at_start = [[number] for number in range(50_000)]
    async def look():
        print(gc.get_freeze_count() > len(made_at_start), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.01, asyncio.ensure_future, look())
    yield None
    print("stopped", flush=True)

run(start, ServiceSettings, "example")
"""


def test_what_start_up_made_is_out_of_the_garbage_collector_s_sight_and_sigterm_ends_it() -> None:
    ended = subprocess.run([sys.executable, "-c", SERVICE], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout.split()) == (0, ["True", "stopped"]), ended.stderr
