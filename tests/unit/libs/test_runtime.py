"""A service as a process: what it does around serving."""

from __future__ import annotations

import os
import subprocess
import sys

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
        try:
            print(gc.get_freeze_count() > len(made_at_start), flush=True)
            if sys.platform == "linux":
                print(os.sched_getscheduler(0) == os.SCHED_BATCH, os.nice(0) - began, flush=True)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.01, asyncio.ensure_future, look())
    yield None
    if os.path.exists("/proc/self/autogroup"):
        print(open("/proc/self/autogroup").read(), end="")
    print("stopped", flush=True)

run(start, ServiceSettings, "example", niceness=int(sys.argv[1]))
"""


def lines_of(niceness: int, *, alone: bool = False) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", SERVICE, str(niceness)],
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=alone,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def weight_of_session(command: str = "", *, alone: bool = False) -> str:
    """What the kernel says of a process's session; empty where it does not weigh that one, or none at all."""
    look = f"{{ {command} cat /proc/self/autogroup; }} 2> /dev/null"
    return subprocess.run(
        ["sh", "-c", look], capture_output=True, text=True, check=False, start_new_session=alone
    ).stdout


def is_weight_ours() -> bool:
    """Whether a session may set its weight here."""
    set_it = "echo 1 > /proc/self/autogroup;"
    return weight_of_session(set_it, alone=True).endswith(" nice 1\n")


def test_what_start_up_made_is_out_of_the_garbage_collector_s_sight_and_sigterm_ends_it() -> None:
    lines = lines_of(0)
    assert (lines[0], lines[-1]) == ("True", "stopped")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux schedules so")
def test_it_does_not_give_way_at_every_wakeup_and_stands_back_as_far_as_it_was_told() -> None:
    assert lines_of(0)[1] == "True 0"
    assert lines_of(3)[1] == "True 3"


@pytest.mark.skipif(not is_weight_ours(), reason="sessions have no weight here")
def test_its_session_stands_back_with_it_unless_others_are_in_it() -> None:
    assert lines_of(3, alone=True)[2].endswith(" nice 3")
    # In a session with others it must not speak for them.
    assert lines_of(3)[2:-1] == weight_of_session().splitlines()


def test_what_is_nearly_a_setting_is_told_at_start() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SERVICE, "0"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DRAIN_SECOND": "3"},
    )
    told = [line for line in ended.stdout.splitlines() + ended.stderr.splitlines() if "not_a_setting" in line]
    assert len(told) == 1
    assert "DRAIN_SECOND" in told[0]
    assert "DRAIN_SECONDS" in told[0]
