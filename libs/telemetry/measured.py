"""An object whose methods are stages: what does the work knows nothing of being watched."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from libs.telemetry import tracing
from libs.telemetry.stages import Stages

T = TypeVar("T")


def measured(inner: T, stages: Stages, methods: Mapping[str, str]) -> T:
    """`inner`, with these coroutine methods (name → stage) measured; itself while all telemetry is off.

    For the composition root: it is handed on wherever `inner` was, through a Protocol both fulfil.
    """
    if not (tracing.is_on() or stages.is_on):
        return inner
    return cast(T, _Measured(inner, stages, methods))


class _Measured:
    def __init__(self, inner: Any, stages: Stages, methods: Mapping[str, str]) -> None:
        self._inner = inner
        for name, stage in methods.items():
            setattr(self, name, _staged(getattr(inner, name), stages, stage))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _staged(
    method: Callable[..., Awaitable[Any]], stages: Stages, stage: str
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with stages(stage):
            return await method(*args, **kwargs)

    return call
