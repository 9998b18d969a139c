"""What may pass is waited for as long as it asks; what will not is raised."""

from __future__ import annotations

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.reindexing.patience import Patience

AWAY = DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "Away.", retry_after_seconds=7.0)
BROKEN = DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "Broken.")


class Call:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def __call__(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "done"


async def test_failures_that_may_pass_are_told_and_waited_for() -> None:
    clock, told = ManualClock(), list[str]()
    assert await Patience(clock, told.append).with_retries(Call(AWAY, BROKEN, AWAY)) == "done"
    assert clock.monotonic() == 7.0 + 10.0 + 7.0
    assert told == ["Away. Next try in 7 s.", "Broken. Next try in 10 s.", "Away. Next try in 7 s."]


async def test_it_gives_up_after_so_many_tries() -> None:
    call = Call(AWAY, AWAY, AWAY, AWAY)
    with pytest.raises(DocuQueryError, match="Away"):
        await Patience(ManualClock(), lambda _: None, 3).with_retries(call)
    assert len(call.failures) == 1


@pytest.mark.parametrize(
    "fault", [ValueError("ours"), DocuQueryError(reasons.ERROR_REASON_STORE_MISMATCH, "Another.")]
)
async def test_what_waiting_does_not_help_is_raised_at_once(fault: Exception) -> None:
    clock = ManualClock()
    with pytest.raises(type(fault)):
        await Patience(clock, lambda _: None).with_retries(Call(fault))
    assert clock.monotonic() == 0.0
