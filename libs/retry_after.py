"""When an HTTP server asks to be tried again."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping

from libs.clock import Clock


def retry_after_seconds(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Seconds until a retry makes sense, at least 0: `retry-after-ms`, else Retry-After (seconds or date).

    None when no header says so, or none that can be read. Header names must be found case-insensitively.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        when = email.utils.parsedate_to_datetime(value)
        return max(0.0, (when - clock.now()).total_seconds())
    except (TypeError, ValueError):  # no date, or one without a time zone
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
