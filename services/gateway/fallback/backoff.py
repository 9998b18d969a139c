"""How long to wait before asking the same target again."""

from __future__ import annotations

from collections.abc import Callable

BASE_SECONDS = 0.25
MAX_SECONDS = 2.0


def full_jitter(failures: int, random: Callable[[], float]) -> float:
    """A random wait in [0, min(250 ms · 2^failures, 2 s)); `failures`: those before the latest.

    "Full jitter": the whole wait is random, so that callers who failed together do not return together
    (M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015).
    """
    return random() * min(BASE_SECONDS * 2.0 ** min(failures, 16), MAX_SECONDS)
