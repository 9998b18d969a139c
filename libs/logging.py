"""Structured logging: JSON lines for machines, colours for a terminal, never a secret.

Fields named like secrets are always hidden. Besides, with `masking`, what looks like a secret or like
personal data is taken out of every text (see `masking.py`).

Modules log by `structlog.get_logger()`. The server binds `request_id` and `tenant` for every call, so
that they stand in each line without anybody passing them on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, TextIO, cast

import structlog

from libs.masking import mask_value

_debugging = False

_SECRET_WORDS = ("password", "api_key", "apikey", "authorization", "secret", "credential")


@lru_cache(maxsize=1024)  # a line has the keys of the one before it
def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS)


def _mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if _is_secret(key):
            event[key] = "***"
    return event


# Made by us, and what lines are found by: a number in them is no telephone.
_PLAIN_KEYS = frozenset(
    (
        *("timestamp", "level", "service", "method", "status"),
        *("request_id", "query_id", "document_id", "trace_id", "span_id"),
    )
)


def _mask_texts(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key not in _PLAIN_KEYS:
            event[key] = mask_value(value)
    return event


class _UnbreakableStderr:
    """Standard error that may go away (a closed pipe) without taking a call down with it."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def set_level(level: str) -> None:
    """Changes the least severe level that is logged, from the next line on."""
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))
    # Libraries tell of requests at INFO, which helps when DEBUG is on; at DEBUG some tell what is in them.
    logging.getLogger().setLevel(logging.INFO if number < logging.INFO else max(logging.WARNING, number))
    global _debugging
    _debugging = number <= logging.DEBUG


def is_debugging() -> bool:
    """Whether DEBUG lines are logged: asked first where making one would cost a call something."""
    return _debugging


def configure_logging(level: str, log_format: str, service: str, *, masking: bool = True) -> None:
    """Sets up structlog for the whole process.

    `level` is a standard level name; `log_format` is `json`, `console` or `auto` (console on a
    terminal). Lines go to standard error; `service` stands in each.
    """
    # After exceptions have become text, which may quote anything.
    last: list[Any] = [structlog.processors.format_exc_info, *([_mask_texts] if masking else [])]
    as_console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if as_console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )

    def add_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, *last, renderer],
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _UnbreakableStderr())),
        cache_logger_on_first_use=False,
    )
    # Libraries log by the standard module; what they warn of joins our lines.
    handler = logging.StreamHandler(_UnbreakableStderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *last,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
