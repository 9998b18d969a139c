"""How the time of one request is shared out. Seconds everywhere; the reasons stand beside the numbers."""

from __future__ import annotations

from libs.rpc.deadlines import Deadline

QUERY_MINIMUM_SECONDS = 0.05
"""Less cannot be enough for a search and an extractive answer, which take 10 to 30 ms together."""

REPORT_SECONDS = 0.05
"""Set aside of what a caller allows: so it hears what took so long, and not from gRPC that time is up."""

READING_SECONDS = 1.0
"""How long a caller that does not take its answer keeps its place beyond a question's longest time."""

READ_SECONDS = 15.0
"""The longest a look-up (document, list, passage, conversation, prompts) may take; usually milliseconds."""

SEARCH_SECONDS = 20.0
"""The longest a Search of its own may take."""

RETRIEVAL_SHARE = 1 / 3
"""Of a query's time at most so much goes to retrieval (RESILIENCE.md §5)."""

REWRITE_SHARE = 0.2
REWRITE_CAP_SECONDS = 5.0
"""Making a follow-up self-contained is one short sentence of a model; better skipped than waited for."""

RUNG_RESERVE_SECONDS = 0.25
"""Set aside for the extractive rung while model providers are tried."""

ATTEMPT_MINIMUM_SECONDS = 0.1
"""With less left, another provider is not asked."""

ANSWER_REPORT_SECONDS = 0.15
"""The answer service ends a provider's call 0.1 s before its own time is up, to tell of it. With no more than
this left it was the time that ran out, whoever says so first."""

ACCEPT_SECONDS = 2.0
"""A service sends its headers as soon as it sees a call: one that has not by then is not working."""

CACHE_SECONDS = 0.5
"""The longest a kept answer is looked for, or an answer offered; usually a millisecond, some hundred when a
remote embedder compares two questions. Short enough to say nothing of the service (JUDGEABLE_SECONDS)."""

BRIDGE_SECONDS = 0.6
"""How long a call waits for a service that cannot be reached: its channel tries again every 0.1 to 0.5 s (see
libs/rpc/channel.py)."""

HEDGE_SECONDS = 0.5
"""A search that has taken so long, many times the usual, is asked of another replica too."""

PROVIDER_LIST_SECONDS = 2.0
"""The longest a query waits for a new list of providers when it could use the old one."""

STATUS_SECONDS = 1.0
"""The longest a health check may take in GetSystemStatus."""


def bounded(deadline: Deadline, seconds: float) -> Deadline:
    """`deadline`, or `seconds` from now when that comes first."""
    return Deadline(min(deadline.at, deadline.clock.monotonic() + seconds), deadline.clock)


def first_text_seconds(remaining: float, attempts_left: int, cap: float, reserve: float) -> float:
    """How long one attempt may take to its first text, measured from its own start.

    min(cap, what is left / attempts left); the last attempt gets the rest. `reserve` is set aside for
    the rung below. 0 when nothing is left.
    """
    usable = max(0.0, remaining - reserve)
    return usable if attempts_left <= 1 else min(cap, usable / attempts_left)
