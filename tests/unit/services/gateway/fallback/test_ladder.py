"""Fallback, retries and the rung below, on scripted providers."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import aclosing

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.gateway.breakers.model import Override, State
from services.gateway.fallback.candidates import Plan
from services.gateway.fallback.ladder import AttemptPolicy
from services.gateway.model import Completed, Started, TextDelta
from tests.unit.services.gateway.support import (
    HANG,
    Bench,
    answering,
    candidate,
    completed,
    failing,
    no_model_was_asked,
    plan,
    tried,
)

OVERLOADED = failing(reasons.ERROR_REASON_PROVIDER_OVERLOADED)
INTERNAL = failing(reasons.ERROR_REASON_PROVIDER_INTERNAL)
REJECTED = failing(reasons.ERROR_REASON_PROVIDER_REJECTED_REQUEST)
TRUNCATED = failing(reasons.ERROR_REASON_STREAM_TRUNCATED, phase="MID_STREAM")
QUICK = AttemptPolicy(first_text_cap_seconds=0.05, idle_seconds=0.05)


async def test_the_first_provider_answers_and_no_other_is_asked() -> None:
    bench = Bench({"a": [answering("a")], "b": [answering("b")]})
    climb = bench.climb(plan("a", "b"))
    assert await bench.run(climb) == answering("a")
    assert bench.generator.asked == ["a"]
    assert tried(climb) == [("a", "OK")]
    assert climb.answered_by == candidate("a")
    attempt = climb.attempts[0]
    assert attempt.model == "a-model"
    assert attempt.first_text_ms is not None
    assert 0 <= attempt.first_text_ms <= attempt.latency_ms


async def test_a_whole_answer_shows_nothing_but_its_end() -> None:
    bench = Bench({"a": [answering("a")]})
    assert await bench.run(bench.climb(plan("a"), whole=True)) == [completed("a")]


async def test_fallback_before_the_first_content_is_silent() -> None:
    bench = Bench({"a": [[OVERLOADED]], "b": [[Started("b", "m"), OVERLOADED]], "c": [answering("c")]})
    climb = bench.climb(plan("a", "b", "c"))
    assert await bench.run(climb) == answering("c")
    assert tried(climb) == [("a", "PROVIDER_OVERLOADED"), ("b", "PROVIDER_OVERLOADED"), ("c", "OK")]


async def test_after_the_first_content_no_other_provider_is_asked() -> None:
    bench = Bench({"a": [[Started("a", "m"), TextDelta("Half an"), TRUNCATED]], "b": [answering("b")]})
    climb = bench.climb(plan("a", "b", rung=True))
    seen = []
    with pytest.raises(DocuQueryError) as error:
        async for event in climb.events():
            seen.append(event)
    assert seen == [Started("a", "m"), TextDelta("Half an")]
    assert error.value.reason_name == "STREAM_TRUNCATED"
    assert error.value.metadata["phase"] == "MID_STREAM"
    assert error.value.metadata["attempts"] == "a=STREAM_TRUNCATED"
    assert bench.generator.asked == ["a"]


async def test_a_whole_answer_that_broke_off_unseen_is_made_by_the_next_provider() -> None:
    bench = Bench({"a": [[TextDelta("Half an"), TRUNCATED]], "b": [answering("b")]})
    climb = bench.climb(plan("a", "b"), whole=True)
    assert await bench.run(climb) == [completed("b")]
    assert tried(climb) == [("a", "STREAM_TRUNCATED"), ("b", "OK")]


async def test_a_fault_that_may_pass_is_tried_once_more_at_the_same_provider() -> None:
    bench = Bench({"a": [[INTERNAL], answering("a")], "extractive": [answering("extractive")]})
    climb = bench.climb(plan("a", rung=True))
    await bench.run(climb)
    assert tried(climb) == [("a", "PROVIDER_INTERNAL"), ("a", "OK")]


async def test_and_only_once() -> None:
    bench = Bench({"a": [[INTERNAL]], "extractive": [answering("extractive")]})
    await bench.run(bench.climb(plan("a", rung=True)))
    assert bench.generator.asked == ["a", "a", "extractive"]


async def test_while_there_is_another_provider_it_is_asked_at_once_instead() -> None:
    clock = ManualClock()
    bench = Bench({"a": [[INTERNAL]], "b": [[INTERNAL], answering("b")]}, clock=clock)
    climb = bench.climb(plan("a", "b"))
    await bench.run(climb)
    assert bench.generator.asked == ["a", "b", "b"]
    bench.breakers.get(candidate("b").target).override(Override.FORCE_OPEN)
    bench = Bench({"a": [[INTERNAL], answering("a")], "b": [answering("b")]})
    bench.breakers.get(candidate("b").target).override(Override.FORCE_OPEN)
    await bench.run(bench.climb(plan("a", "b")))
    assert bench.generator.asked == ["a", "a"], "one that its breaker refuses is none"


async def test_retries_wait_a_random_part_of_a_doubling_time() -> None:
    clock = ManualClock()
    bench = Bench({"a": [[INTERNAL], answering("a")]}, clock=clock)
    await bench.run(bench.climb(plan("a")))
    assert clock.monotonic() == pytest.approx(0.01 * 0.25)
    bench = Bench({"a": [[INTERNAL]], "b": [[INTERNAL], answering("b")]}, clock=(clock := ManualClock()))
    await bench.run(bench.climb(plan("a", "b")))
    assert clock.monotonic() == pytest.approx(0.01 * 0.5)


async def test_at_most_three_attempts_retries_included() -> None:
    scripts = {name: [[INTERNAL]] for name in "abcd"}
    bench = Bench({**scripts, "extractive": [answering("x")]})
    climb = bench.climb(plan("a", "b", "c", "d", rung=True))
    await bench.run(climb)
    assert bench.generator.asked == ["a", "b", "c", "extractive"]
    assert climb.by_last_rung


async def test_a_short_rate_limit_is_waited_for_and_a_long_one_is_not() -> None:
    short = failing(reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, retry_after=0.5)
    clock = ManualClock()
    bench = Bench({"a": [[short], answering("a")]}, clock=clock)
    await bench.run(bench.climb(plan("a")))
    assert clock.monotonic() == pytest.approx(0.5)
    assert bench.generator.asked == ["a", "a"]

    long = failing(reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, retry_after=5)
    bench = Bench({"a": [[long]], "b": [answering("b")]}, clock=ManualClock())
    await bench.run(bench.climb(plan("a", "b")))
    assert bench.generator.asked == ["a", "b"]


async def test_a_rate_limit_that_names_no_time_at_all_parks_nevertheless() -> None:
    limited = failing(reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, retry_after=0)
    bench = Bench({"a": [[limited]], "b": [answering("b")]}, clock=ManualClock())
    for _ in range(20):
        await bench.run(bench.climb(plan("a", "b")))
    assert bench.generator.asked.count("a") == 1


async def test_a_parked_provider_is_skipped_and_named() -> None:
    limited = failing(reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, retry_after=20)
    bench = Bench({"a": [[limited]], "b": [answering("b")]})
    await bench.run(bench.climb(plan("a", "b")))
    climb = bench.climb(plan("a", "b"))
    await bench.run(climb)
    assert bench.generator.asked == ["a", "b", "b"]
    assert tried(climb) == [("a", "CIRCUIT_OPEN"), ("b", "OK")]
    assert climb.attempts[0].model == "", "it was never asked"


async def test_a_dead_provider_is_asked_five_times_and_then_left_alone() -> None:
    bench = Bench({"a": [[OVERLOADED]], "b": [answering("b")]})
    for _ in range(20):
        await bench.run(bench.climb(plan("a", "b")))
    assert bench.generator.asked.count("a") == 5


async def test_skipped_providers_do_not_use_up_attempts() -> None:
    bench = Bench({name: [answering(name)] for name in "abcde"})
    for name in "abcd":
        bench.breakers.get(candidate(name).target).override(Override.FORCE_OPEN)
    climb = bench.climb(plan(*"abcde"))
    await bench.run(climb)
    assert bench.generator.asked == ["e"]


async def test_a_failed_attempt_leaves_nothing_behind_for_the_garbage_collector() -> None:
    """Its error holds the frames it came through, and those the passages of the question."""
    message = "To be found again."
    failed = DocuQueryError(reasons.ERROR_REASON_PROVIDER_OVERLOADED, message)
    bench = Bench({"a": [[failed]], "b": [answering("b")]})
    gc.disable()
    try:
        await bench.run(bench.climb(plan("a", "b")))
        left = [one for one in gc.get_objects() if isinstance(one, DocuQueryError) and one.message == message]
    finally:
        gc.enable()
    assert left == [failed]


async def test_nobody_configured_fails_at_once() -> None:
    bench = Bench({})
    began = time.monotonic()
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(Plan((), None, ())))
    assert time.monotonic() - began < 5
    assert error.value.reason_name == "ALL_PROVIDERS_FAILED"


async def test_one_provider_that_fails_is_not_asked_for_ever() -> None:
    bench = Bench({"a": [[OVERLOADED]]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a")))
    assert bench.generator.asked == ["a"]
    assert error.value.reason_name == "ALL_PROVIDERS_FAILED"
    assert error.value.metadata["attempts"] == "a=PROVIDER_OVERLOADED"
    assert error.value.retry_after_seconds == 1


async def test_when_all_three_fail_each_is_named_and_the_wait_is_that_of_the_first_to_return() -> None:
    limits = {
        name: [[failing(reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, retry_after=after)]]
        for name, after in (("a", 30.0), ("b", 12.0), ("c", 50.0))
    }
    bench = Bench(dict(limits), clock=ManualClock())
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a", "b", "c")))
    listed = ", ".join(f"{name}=PROVIDER_RATE_LIMITED" for name in "abc")
    assert error.value.metadata["attempts"] == listed
    assert error.value.retry_after_seconds == pytest.approx(12)


async def test_the_rung_below_answers_when_no_provider_does() -> None:
    bench = Bench({"a": [[OVERLOADED]], "extractive": [answering("extractive")]})
    climb = bench.climb(plan("a", rung=True))
    assert await bench.run(climb) == answering("extractive")
    assert climb.by_last_rung
    assert tried(climb) == [("a", "PROVIDER_OVERLOADED"), ("extractive", "OK")]


async def test_the_rung_below_answers_for_providers_that_are_configured_but_not_there() -> None:
    bench = Bench({"extractive": [answering("extractive")]})
    climb = bench.climb(plan(rung=True, missing=["openai"]))
    await bench.run(climb)
    assert tried(climb) == [("openai", "PROVIDER_NOT_CONFIGURED"), ("extractive", "OK")]


async def test_when_the_rung_fails_too_it_is_named_with_the_others() -> None:
    bench = Bench({"a": [[OVERLOADED]], "extractive": [[REJECTED]]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a", rung=True)))
    assert error.value.metadata["attempts"] == "a=PROVIDER_OVERLOADED, extractive=PROVIDER_REJECTED_REQUEST"


async def test_a_silent_provider_is_left_after_its_slice() -> None:
    bench = Bench({"a": [[HANG]], "b": [[Started("b", "m"), HANG]], "c": [answering("c")]}, QUICK)
    climb = bench.climb(plan("a", "b", "c"))
    assert await bench.run(climb) == answering("c")
    assert tried(climb) == [("a", "PROVIDER_TIMEOUT"), ("b", "PROVIDER_TIMEOUT"), ("c", "OK")]
    assert 49 < climb.attempts[0].latency_ms < 5000
    assert bench.generator.open_streams == 0


async def test_a_silent_provider_s_breaker_opens_however_short_the_operator_s_patience() -> None:
    bench = Bench({"a": [[HANG]], "b": [answering("b")]}, QUICK)
    for _ in range(5):
        await bench.run(bench.climb(plan("a", "b")))
    assert bench.breakers.get(candidate("a").target).snapshot().state is State.OPEN


@pytest.mark.parametrize("http_status", ["", "504"])
async def test_a_caller_s_hurry_is_told_from_a_provider_that_takes_too_long(http_status: str) -> None:
    """The answer service tells of both by the same reason."""
    slow = failing(reasons.ERROR_REASON_PROVIDER_TIMEOUT)
    slow.metadata["http_status"] = http_status
    bench = Bench({"a": [[slow]], "b": [answering("b")]})
    for seconds, hurried in ((3.9, True), (4.1, False)):
        climb = bench.climb(plan("a", "b"), seconds=seconds)
        await bench.run(climb)
        reason = "DEADLINE_EXCEEDED" if hurried and not http_status else "PROVIDER_TIMEOUT"
        assert tried(climb) == [("a", reason), ("b", "OK")]
    assert bench.breakers.get(candidate("a").target).snapshot().failures == (2 if http_status else 1)


async def test_when_all_a_caller_allowed_was_too_short_that_is_what_it_hears() -> None:
    bench = Bench({"a": [[failing(reasons.ERROR_REASON_PROVIDER_TIMEOUT)]]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a"), seconds=1.5))
    assert error.value.reason_name == "DEADLINE_EXCEEDED"
    assert error.value.metadata["attempts"] == "a=DEADLINE_EXCEEDED"


async def test_a_whole_answer_may_be_written_for_longer_than_a_pause() -> None:
    bench = Bench({"a": [[Started("a", "m"), 0.3, completed("a")]], "b": [answering("b")]}, QUICK)
    climb = bench.climb(plan("a", "b"), whole=True)
    assert await bench.run(climb) == [completed("a")]
    assert climb.attempts[0].first_text_ms is not None
    assert climb.attempts[0].first_text_ms < climb.attempts[0].latency_ms - 200


async def test_when_a_whole_answer_is_not_ready_in_time_the_rung_below_answers() -> None:
    bench = Bench({"a": [[Started("a", "m"), HANG]], "extractive": [answering("extractive")]})
    climb = bench.climb(plan("a", rung=True), seconds=0.6, whole=True)
    assert await bench.run(climb) == [completed("extractive")]
    assert tried(climb) == [("a", "DEADLINE_EXCEEDED"), ("extractive", "OK")]
    assert bench.breakers.get(candidate("a").target).snapshot().calls == 0, "it was writing"


async def test_the_last_provider_gets_all_the_time_there_is() -> None:
    bench = Bench({"a": [[0.2, *answering("a")]]}, QUICK)
    assert await bench.run(bench.climb(plan("a"))) == answering("a")


async def test_time_for_the_rung_is_set_aside() -> None:
    bench = Bench({"a": [[HANG]], "extractive": [answering("extractive")]})
    began = time.monotonic()
    await bench.run(bench.climb(plan("a", rung=True), seconds=1))
    assert 0.7 < time.monotonic() - began < 1


async def test_without_time_for_a_provider_the_rung_answers_at_once() -> None:
    bench = Bench({"a": [answering("a")], "extractive": [answering("extractive")]})
    climb = bench.climb(plan("a", rung=True), seconds=0.2)
    await bench.run(climb)
    assert bench.generator.asked == ["extractive"]


async def test_without_time_and_without_a_rung_nothing_is_begun() -> None:
    bench = Bench({"a": [answering("a")]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a"), seconds=0.05))
    assert error.value.reason_name == "DEADLINE_TOO_SHORT"
    assert bench.generator.asked == []


async def test_when_the_time_is_up_that_is_the_reason() -> None:
    bench = Bench({"a": [[OVERLOADED]], "extractive": [[HANG]]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a", rung=True), seconds=0.5))
    assert error.value.reason_name == "DEADLINE_EXCEEDED"
    assert error.value.metadata["attempts"] == "a=PROVIDER_OVERLOADED, extractive=DEADLINE_EXCEEDED"


async def test_a_pause_in_mid_stream_ends_it() -> None:
    bench = Bench({"a": [[TextDelta("Half"), HANG]], "b": [answering("b")]}, QUICK)
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a", "b")))
    assert error.value.reason_name == "PROVIDER_TIMEOUT"
    assert error.value.metadata["phase"] == "MID_STREAM"


async def test_the_caller_s_deadline_ends_a_stream_that_still_flows() -> None:
    flowing = [step for _ in range(20) for step in (TextDelta("x"), 0.03)]
    bench = Bench({"a": [[*flowing, completed("a")]]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a"), seconds=0.3))
    assert error.value.reason_name == "DEADLINE_EXCEEDED"
    assert bench.breakers.get(candidate("a").target).snapshot().failures == 0


async def test_a_question_too_long_goes_only_to_a_larger_window() -> None:
    too_long = failing(reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED)
    bench = Bench({"a": [[too_long]], "b": [answering("b")], "c": [answering("c")]})
    candidates = (candidate("a", 8000), candidate("b", 8000), candidate("c", 200_000))
    await bench.run(bench.climb(Plan(candidates, None, ())))
    assert bench.generator.asked == ["a", "c"]


async def test_and_is_reported_as_too_long_when_there_is_none() -> None:
    too_long = failing(reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED)
    bench = Bench({"a": [[too_long]], "b": [answering("b")]})
    candidates = (candidate("a", 8000), candidate("b", 4000))
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(Plan(candidates, None, ())))
    assert error.value.reason_name == "CONTEXT_WINDOW_EXCEEDED"


async def test_but_not_when_another_one_may_hold_it_later() -> None:
    too_long = failing(reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED)
    bench = Bench({"a": [[too_long]], "b": [[OVERLOADED]]})
    candidates = (candidate("a", 8000), candidate("b", 200_000))
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(Plan(candidates, None, ())))
    assert error.value.reason_name == "ALL_PROVIDERS_FAILED"


async def test_the_caller_s_own_fault_is_reported_at_once() -> None:
    wrong = DocuQueryError(reasons.ERROR_REASON_PROMPT_VERSION_NOT_FOUND, "No such prompt.")
    bench = Bench({"a": [[wrong]], "b": [answering("b")], "extractive": [answering("extractive")]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a", "b", rung=True)))
    assert error.value.reason_name == "PROMPT_VERSION_NOT_FOUND"
    assert bench.generator.asked == ["a"]


async def test_a_dead_answer_service_blames_no_provider() -> None:
    dead = DocuQueryError(
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Not reachable.", metadata={"service": "answer"}
    )
    bench = Bench({"a": [[dead]], "b": [answering("b")]})
    with pytest.raises(DocuQueryError) as error:
        await bench.run(bench.climb(plan("a", "b")))
    assert error.value.reason_name == "SERVICE_UNAVAILABLE"
    assert error.value.metadata["attempts"] == "a=SERVICE_UNAVAILABLE, a=SERVICE_UNAVAILABLE"
    assert bench.generator.asked == ["a", "a"], "once more, at another replica perhaps"
    assert bench.breakers.get(candidate("a").target).snapshot().calls == 0


async def test_a_stream_that_ends_without_its_end_is_the_service_s_fault() -> None:
    bench = Bench({"a": [[Started("a", "m")], answering("a")]})
    climb = bench.climb(plan("a"))
    assert await bench.run(climb) == answering("a")
    assert tried(climb) == [("a", "SERVICE_UNAVAILABLE"), ("a", "OK")]


async def test_no_evidence_is_nobody_s_attempt_and_proves_nothing_of_the_provider() -> None:
    bench = Bench({"a": [[no_model_was_asked()]]})
    climb = bench.climb(plan("a"))
    assert await bench.run(climb) == [no_model_was_asked()]
    assert (climb.attempts, climb.answered_by) == ([], None)
    assert bench.breakers.get(candidate("a").target).snapshot().calls == 0


async def test_an_answered_call_counts_as_a_success_and_a_failed_one_with_its_reason() -> None:
    bench = Bench({"a": [[OVERLOADED]], "b": [answering("b")]})
    await bench.run(bench.climb(plan("a", "b")))
    snapshots = bench.breakers.snapshots()
    assert snapshots["provider:a/a-model"].last_reason == reasons.ERROR_REASON_PROVIDER_OVERLOADED
    assert (snapshots["provider:a/a-model"].failures, snapshots["provider:b/b-model"].failures) == (1, 0)
    assert snapshots["provider:b/b-model"].calls == 1


# --- the caller goes away: before the first content, in mid-stream, and during a backoff ---


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([HANG], id="before the first content"),
        pytest.param([TextDelta("Half"), HANG], id="in mid-stream"),
    ],
)
async def test_cancelling_closes_the_stream_and_blames_nobody(script: list[TextDelta | str]) -> None:
    bench = Bench({"a": [list(script)], "b": [answering("b")]})
    task = asyncio.create_task(bench.run(bench.climb(plan("a", "b"))))
    await asyncio.sleep(0.05)
    assert bench.generator.open_streams == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.generator.open_streams == 0
    assert bench.generator.asked == ["a"]
    assert bench.breakers.get(candidate("a").target).snapshot().calls == 0


async def test_cancelling_during_a_backoff_asks_nobody_any_more() -> None:
    class Slow(ManualClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(30)

    bench = Bench({"a": [[INTERNAL], answering("a")]}, clock=Slow())
    task = asyncio.create_task(bench.run(bench.climb(plan("a"))))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.generator.asked == ["a"]
    assert bench.generator.open_streams == 0


async def test_a_cancelled_probe_gives_its_permit_back() -> None:
    clock = ManualClock()
    bench = Bench({"a": [[OVERLOADED]] * 5 + [[HANG], answering("a")]}, clock=clock)
    for _ in range(5):
        with pytest.raises(DocuQueryError):
            await bench.run(bench.climb(plan("a")))
    clock.advance(5)
    task = asyncio.create_task(bench.run(bench.climb(plan("a"))))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.run(bench.climb(plan("a"))) == answering("a")


async def test_a_probe_whose_reader_is_slow_keeps_no_other_question_waiting() -> None:
    clock = ManualClock()
    bench = Bench({"a": [[OVERLOADED]] * 5 + [answering("a")], "b": [answering("b")]}, clock=clock)
    for _ in range(5):
        await bench.run(bench.climb(plan("a", "b")))
    clock.advance(5)
    async with aclosing(bench.climb(plan("a")).events()) as slowly_read:
        await anext(slowly_read)
        clock.advance(1)
        for _ in range(2):
            assert await bench.run(bench.climb(plan("a"))) == answering("a")
    assert bench.breakers.get(candidate("a").target).snapshot().state is State.CLOSED


async def test_a_probe_is_alone_for_as_long_as_its_provider_is_what_is_waited_for() -> None:
    clock = ManualClock()
    bench = Bench({"a": [[OVERLOADED]] * 5 + [[TextDelta("Half"), HANG]], "b": [answering("b")]}, clock=clock)
    for _ in range(5):
        await bench.run(bench.climb(plan("a", "b")))
    clock.advance(5)
    probe = asyncio.create_task(bench.run(bench.climb(plan("a"))))
    await asyncio.sleep(0.05)
    clock.advance(10)
    assert await bench.run(bench.climb(plan("a", "b"))) == answering("b")
    probe.cancel()


async def test_leaving_the_events_early_closes_the_stream() -> None:
    bench = Bench({"a": [[TextDelta("Half"), HANG]]})
    async with aclosing(bench.climb(plan("a")).events()) as events:
        assert await anext(events) == TextDelta("Half")
    assert bench.generator.open_streams == 0


async def test_trouble_after_the_end_does_not_undo_the_answer() -> None:
    bench = Bench({"a": [[completed("a"), INTERNAL]], "b": [[completed("b"), TextDelta("late")]]})
    assert isinstance((await bench.run(bench.climb(plan("a"))))[0], Completed)
    assert await bench.run(bench.climb(plan("b"))) == [completed("b")]
