"""When a serving process looks for what, and what it does when something fails."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.reindexing.changeover import Changeover, ProgressLog
from services.retrieval.reindexing.filler import Pass
from services.retrieval.store.progress import FillProgress, ReindexStatus
from services.retrieval.store.spaces import KeptSpaces, VectorSpace

A, B = VectorSpace("test/a", 8, "t"), VectorSpace("test/b", 8, "t")


class Spaces:
    """A store's spaces as one process sees them; notes what is asked of it."""

    def __init__(self, kept: KeptSpaces, own: VectorSpace, clock: ManualClock) -> None:
        self.kept, self.own = kept, own
        self._clock = clock
        self.log: list[tuple[int, str]] = []
        self.refused_switches = 0

    @property
    def is_changing(self) -> bool:
        return bool(self.kept.others)

    def note(self, what: str) -> None:
        self.log.append((int(self._clock.monotonic()), what))

    async def switch(self, filled: Mapping[str, Collection[str]]) -> bool:
        self.note("switch")
        if self.refused_switches:
            self.refused_switches -= 1
            return False
        self.kept = self.kept.switched_to(self.own, keeps_former=False)
        return True

    async def drop_others(self) -> None:
        self.note("drop")

    async def status(self) -> ReindexStatus | None:
        return None


class Filler:
    """Counts how often it is asked to look."""

    filled: Mapping[str, Collection[str]] = {}

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self.left = 0
        self.error: Exception | None = None

    async def fill(self, *, waits: bool = True) -> Pass:
        self._spaces.note("fill" if waits else "look")
        return Pass()

    async def fill_lacking(self) -> Pass:
        if self.error:
            error, self.error = self.error, None
            raise error
        self._spaces.note("lacking")
        return Pass(left=self.left)


async def run_for(changeover: Changeover, clock: ManualClock, seconds: float) -> None:
    task = asyncio.create_task(changeover.run())
    end = clock.monotonic() + seconds
    while clock.monotonic() <= end:  # noqa: ASYNC110 # the clock moves by the task's own sleeps
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def made(
    kept: KeptSpaces, own: VectorSpace, switched: list[str] | None = None
) -> tuple[Changeover, Spaces, Filler, ManualClock]:
    clock = ManualClock()
    spaces = Spaces(kept, own, clock)
    filler = Filler(spaces)

    async def on_switch() -> None:
        spaces.note("on_switch")

    changeover = Changeover(spaces, filler, clock, 5.0, on_switch)  # type: ignore[arg-type]  # as far as it is used
    return changeover, spaces, filler, clock


async def test_in_a_store_of_one_space_it_hardly_looks() -> None:
    changeover, spaces, _, clock = made(KeptSpaces.first(A), A)
    await changeover.catch_up()
    assert spaces.log == []
    await run_for(changeover, clock, 130)
    assert spaces.log == [(1, "lacking"), (61, "lacking"), (121, "lacking")]


async def test_beside_another_space_it_looks_at_everything_before_serving_and_each_minute() -> None:
    """And for what lacks a vector each second."""
    both = KeptSpaces.first(A).with_begun(B).switched_to(B, keeps_former=True)
    changeover, spaces, _, clock = made(both, B)
    await changeover.catch_up()
    assert spaces.log == [(0, "look")]
    await run_for(changeover, clock, 62)
    assert [entry for entry in spaces.log if entry[1] == "look"] == [(0, "look"), (60, "look")]
    assert [moment for moment, what in spaces.log if what == "lacking"] == [*range(1, 60), 61, 62]


async def test_while_the_embedder_is_down_it_asks_less_often() -> None:
    changeover, spaces, filler, clock = made(KeptSpaces.first(A).with_begun(B), A)
    await changeover.catch_up()
    filler.left = 3
    await run_for(changeover, clock, 32)
    assert [moment for moment, what in spaces.log if what == "lacking"] == [1, 11, 21, 31]


async def test_it_fills_until_it_may_switch_then_removes_the_former_after_the_grace() -> None:
    changeover, spaces, _, clock = made(KeptSpaces.first(A).with_begun(B), B)
    spaces.refused_switches = 1
    with structlog.testing.capture_logs() as logs:
        await changeover.catch_up()
        await run_for(changeover, clock, 8)
    assert spaces.log[:7] == [
        (1, "fill"),
        (1, "switch"),
        (1, "fill"),
        (1, "switch"),
        (1, "on_switch"),
        (6, "drop"),
        (7, "lacking"),
    ]
    assert [entry["event"] for entry in logs] == [
        "reindex_started",
        "reindex_switched",
        "former_vectors_removed",
    ]


async def test_what_fails_is_logged_and_tried_again() -> None:
    changeover, spaces, filler, clock = made(KeptSpaces.first(A).with_begun(B), A)
    await changeover.catch_up()
    with structlog.testing.capture_logs() as logs:
        for error in (DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "Away."), KeyError("ours")):
            filler.error = error
            await run_for(changeover, clock, 2)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("changeover_failed", "warning"),
        ("changeover_failed", "error"),
    ]
    assert [what for _, what in spaces.log].count("lacking") > 1


def test_progress_is_logged_every_ten_seconds() -> None:
    clock = ManualClock()
    progress = ProgressLog(clock)
    with structlog.testing.capture_logs() as logs:
        for second in range(25):
            clock.advance(1)
            progress(FillProgress(1, 2, second, 100, 4.0))
    assert [(entry["chunks"], entry["seconds_left"]) for entry in logs] == [(9, 23), (19, 20)]
