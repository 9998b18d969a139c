"""The faults of the matrix: how each is brought about, healed, and what callers must see of it."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from benchmarks.qdrant_server import Node
from tests.contract.llm_server import End, Finish, Hang, LlmServer, Open, Pause, Reset, Status, Step, Text
from tests.contract.redis_server import RedisServer
from tests.e2e.support import System

ANSWER = "The mascot of the firm is a heron [1]."
OPENAI = (Open(), Text("The mascot of the firm "), Text("is a heron [1]."), Finish("stop"), End())
ANTHROPIC = (Open(), Text(ANSWER), Finish("end_turn"), End())

FIRST_TOKEN_SECONDS = 2.0
"""Shorter than by default (15 s), for the tests' sake."""


@dataclass(slots=True)
class Stage:
    """The running system and everything outside it that can fail."""

    system: System
    openai: LlmServer
    anthropic: LlmServer
    qdrant: Node | None = None
    redis: RedisServer | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a caller saw of one call."""

    status: str
    """`OK`, or code and reason, as `UNAVAILABLE / SERVICE_UNAVAILABLE`."""
    answered_by: str = ""
    """The provider that answered; for an upload what became of the document."""
    attempts: str = ""
    """`provider=REASON`, `provider=OK` for the one that answered."""


Work: TypeAlias = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix: its name, and what the three calls must show."""

    name: str
    inject: Work
    query: Seen
    stream: Seen
    upload: Seen
    heal: Work = field(default=lambda stage: _healthy_providers(stage))


OK_FIRST = Seen("OK", "openai", "openai=OK")
INDEXED = Seen("OK", "INDEXED")
NO_ANSWER = Seen("UNAVAILABLE / SERVICE_UNAVAILABLE")


def fallback(reason: str) -> Seen:
    """The second provider answers after the first has failed."""
    return Seen("OK", "anthropic", f"openai={reason}, anthropic=OK")


def broken_off(reason: str) -> Seen:
    """The stream ends in the middle of the answer."""
    return Seen(f"UNAVAILABLE / {reason}", "", f"openai={reason}")


async def _healthy_providers(stage: Stage) -> None:
    stage.openai.play(*OPENAI)
    stage.anthropic.play(*ANTHROPIC)


def _playing(*steps: Step) -> Work:
    async def inject(stage: Stage) -> None:
        stage.openai.play(*steps)

    return inject


def _provider(name: str, seen: Seen, *steps: Step, stream: Seen | None = None) -> Fault:
    return Fault(f"provider: {name}", _playing(*steps), seen, stream or seen, INDEXED)


PROVIDER_FAULTS = [
    _provider(
        "429, to return in 30 s",
        fallback("PROVIDER_RATE_LIMITED"),
        Status(429, type="rate_limit_error", headers={"retry-after": "30"}),
    ),
    _provider(
        "429, out of credit",
        fallback("PROVIDER_QUOTA_EXHAUSTED"),
        Status(429, type="insufficient_quota", code="insufficient_quota"),
    ),
    _provider("500", fallback("PROVIDER_INTERNAL"), Status(500)),
    _provider("529", fallback("PROVIDER_OVERLOADED"), Status(529, type="overloaded_error")),
    _provider("hangs", fallback("PROVIDER_TIMEOUT"), Hang()),
    _provider("resets the connection", fallback("PROVIDER_CONNECTION"), Reset()),
    _provider(
        "resets it in mid-answer",
        fallback("PROVIDER_CONNECTION"),
        *(Open(), Text("The mascot of the firm is a long-legged "), Text("bird"), Reset()),
        stream=broken_off("PROVIDER_CONNECTION"),
    ),
    _provider(
        "ends its answer early",
        fallback("STREAM_TRUNCATED"),
        *(Open(), Text("The mascot of the firm is a long-legged "), Text("bird"), End()),
        stream=broken_off("STREAM_TRUNCATED"),
    ),
    _provider(
        "slow, 1 s to its first text",
        OK_FIRST,
        *(Open(), Pause(1.0), Text("The mascot of the firm "), Pause(0.5), Text("is a heron [1].")),
        *(Finish("stop"), End()),
    ),
    _provider("slow, 4 s to its first text", fallback("PROVIDER_TIMEOUT"), Open(), Pause(4.0), *OPENAI[1:]),
]


async def _all_providers_fail(stage: Stage) -> None:
    stage.openai.play(Status(500))
    stage.anthropic.play(Status(529, type="overloaded_error"))


_RUNG = Seen(
    "OK",
    "extractive",
    "openai=PROVIDER_INTERNAL, anthropic=PROVIDER_OVERLOADED, extractive=OK",
)
PROVIDER_FAULTS.append(Fault("providers: both fail", _all_providers_fail, _RUNG, _RUNG, INDEXED))


# --- services ---


def _killed(name: str) -> Work:
    async def inject(stage: Stage) -> None:
        await stage.system.kill(name)

    return inject


def _restarted(name: str) -> Work:
    async def heal(stage: Stage) -> None:
        await stage.system.restart(name)

    return heal


def _killed_and_restarted(name: str) -> Work:
    async def inject(stage: Stage) -> None:
        await stage.system.kill(name)
        await stage.system.stack.start_service(name)
        await stage.system.stack.wait_healthy(names=[name])  # the gateway must find it by itself

    return inject


def _signalled(name: str, number: signal.Signals) -> Work:
    async def work(stage: Stage) -> None:
        stage.system.signal(name, number)

    return work


def _service(name: str, query: Seen, upload: Seen, *, paused: tuple[Seen, Seen]) -> list[Fault]:
    return [
        Fault(f"{name}: killed", _killed(name), query, query, upload, _restarted(name)),
        Fault(
            f"{name}: paused (SIGSTOP)",
            _signalled(name, signal.SIGSTOP),
            paused[0],
            paused[0],
            paused[1],
            _signalled(name, signal.SIGCONT),
        ),
        Fault(f"{name}: killed and restarted", _killed_and_restarted(name), OK_FIRST, OK_FIRST, INDEXED),
    ]


_NOT_STORED = Seen("OK", "SERVICE_UNAVAILABLE, retryable")
_TWICE = Seen(
    "UNAVAILABLE / SERVICE_UNAVAILABLE", "", "openai=SERVICE_UNAVAILABLE, openai=SERVICE_UNAVAILABLE"
)
_UPLOAD_BROKEN = Seen("UNAVAILABLE / SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE, retryable")
_LATE = Seen("DEADLINE_EXCEEDED")

SERVICE_FAULTS = [
    *_service("retrieval", NO_ANSWER, _NOT_STORED, paused=(_LATE, _UPLOAD_BROKEN)),
    *_service("answer", _TWICE, INDEXED, paused=(_TWICE, INDEXED)),
    *_service("ingest", OK_FIRST, _UPLOAD_BROKEN, paused=(OK_FIRST, _UPLOAD_BROKEN)),
    Fault(
        "gateway: killed",
        _killed("gateway"),
        Seen("UNAVAILABLE"),
        Seen("UNAVAILABLE"),
        Seen("UNAVAILABLE"),
        _restarted("gateway"),
    ),
]


# --- what the services need ---


def _qdrant(act: Callable[[Node], None]) -> Work:
    async def work(stage: Stage) -> None:
        assert stage.qdrant is not None
        act(stage.qdrant)

    return work


def _start(node: Node) -> None:
    node.start()
    node.wait()


def _redis(act: Callable[[RedisServer], None]) -> Work:
    async def work(stage: Stage) -> None:
        assert stage.redis is not None
        act(stage.redis)

    return work


_NO_STORE = Seen("UNAVAILABLE / STORE_UNAVAILABLE")

ENGINE_FAULTS = [
    Fault(
        "Qdrant: killed",
        _qdrant(Node.kill),
        _NO_STORE,
        _NO_STORE,
        Seen("OK", "STORE_UNAVAILABLE, retryable"),
        _qdrant(_start),
    ),
    Fault("Redis: killed", _redis(RedisServer.kill), OK_FIRST, OK_FIRST, INDEXED, _redis(RedisServer.start)),
    Fault(
        "Redis: paused",
        _redis(RedisServer.pause),
        OK_FIRST,
        OK_FIRST,
        INDEXED,
        _redis(RedisServer.resume),
    ),
]
