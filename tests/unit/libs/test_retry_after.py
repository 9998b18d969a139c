"""Every form in which a server may ask for patience is read, and none that is no form."""

from __future__ import annotations

import email.utils
from datetime import timedelta

import pytest

from libs.clock import ManualClock
from libs.retry_after import retry_after_seconds


def test_a_retry_after_date_counts_from_the_clock() -> None:
    clock = ManualClock()
    later = email.utils.format_datetime(clock.now() + timedelta(seconds=42), usegmt=True)
    assert retry_after_seconds({"retry-after": later}, clock) == 42
    clock.advance(100)
    assert retry_after_seconds({"retry-after": later}, clock) == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:05"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, ManualClock()) == seconds
