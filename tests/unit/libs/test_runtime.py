"""A service as a process: what it does around serving."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = """
import asyncio, gc, os, signal, sys
from contextlib import asynccontextmanager
from libs.runtime import run
from libs.settings import ServiceSettings

began = os.nice(0)

@asynccontextmanager
async def start(settings):
    made_at_start = [[number] for number in range(50_000)]
    async def look():
        print(gc.get_freeze_count() > len(made_at_start), flush=True)
        if sys.platform == "linux":
            print(os.sched_getscheduler(0) == os.SCHED_BATCH, os.nice(0) - began, flush=True)
            print(open("/proc/self/autogroup").read().split()[-1], flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.01, asyncio.ensure_future, look())
    yield None
    print("stopped", flush=True)

run(start, ServiceSettings, "example", niceness=int(sys.argv[1]))
"""


def lines_of(niceness: int, **options: bool) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", SERVICE, str(niceness)], capture_output=True, text=True, timeout=60, **options
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_what_start_up_made_is_out_of_the_garbage_collector_s_sight_and_sigterm_ends_it() -> None:
    lines = lines_of(0)
    assert (lines[0], lines[-1]) == ("True", "stopped")


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="the kernel gives sessions no weight")
def test_it_does_not_give_way_at_every_wakeup_and_stands_back_as_far_as_it_was_told() -> None:
    ours = Path("/proc/self/autogroup").read_text().split()[-1]
    assert lines_of(3, start_new_session=True)[1:3] == ["True 3", "3"]
    # In a session with others it must not speak for them.
    assert lines_of(3)[1:3] == ["True 3", ours]
