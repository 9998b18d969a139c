"""What can go wrong with a provider, and where: the table behind every test of errors.

A fault has signals at each stage of a reply, in both wire formats. `tests/contract` checks what the adapters
make of it, `tests/rpc/test_provider_matrix.py` what a caller of the public API sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import reason_name
from tests.contract.llm_server import Drop, End, Hang, Open, Raw, Reset, Status, Step, StreamError, Text

if TYPE_CHECKING:
    from libs.errors import Reason

SAID = Text("The mascot of the firm ")
"""What has been said when a fault comes in the middle."""

BROKEN = b"event: content_block_delta\ndata: {broken\n\n"


class Stage(Enum):
    """How far a reply has come when the fault strikes; the value is what goes before it."""

    BEFORE_HEADERS = ()
    BEFORE_FIRST_TOKEN = (Open(),)
    MID_STREAM = (Open(), SAID)

    @property
    def phase(self) -> str:
        """What the error's metadata call it."""
        return "OPENING" if self is Stage.BEFORE_HEADERS else self.name


Script = Callable[[str], tuple[Step, ...]]
"""What the server does, by wire format."""


def status(
    code: int, openai: tuple[Any, ...] = (), anthropic: tuple[Any, ...] = (), **headers: str
) -> Script:
    return lambda adapter: (
        Status(
            code, *(openai if adapter == "openai" else anthropic), headers={"retry-after": "7", **headers}
        ),
    )


def inside(openai: tuple[Any, ...], anthropic: tuple[Any, ...]) -> Script:
    return lambda adapter: (StreamError(*(openai if adapter == "openai" else anthropic)), End())


def steps(*given: Step) -> Script:
    return lambda _: given


@dataclass(frozen=True)
class Fault:
    """A row of the table of errors: its signals by stage, and what becomes of it."""

    reason: Reason
    retried: bool = False
    """The same provider is asked once more, before any text, when there is no other."""
    opening: dict[str, Script] = field(default_factory=dict)
    """Signals instead of a reply."""
    streamed: dict[str, Script] = field(default_factory=dict)
    """Signals inside a reply, before and after its first text."""
    cannot: str = ""
    """Why there is no signal at a stage that has none."""


R = reasons
INVALID = "invalid_request_error"
FAULTS = (
    Fault(
        R.ERROR_REASON_PROVIDER_TIMEOUT,
        opening={"silence": steps(Hang()), "408": status(408), "504": status(504, (), ("timeout_error",))},
        streamed={"silence": steps(Hang()), "event": inside((None, "504"), ("timeout_error",))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_CONNECTION,
        retried=True,
        opening={"reset": steps(Reset())},
        streamed={"cut": steps(Drop())},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_INTERNAL,
        retried=True,
        opening={"500": status(500, ("server_error",), ("api_error",)), "502": status(502)},
        streamed={"event": inside(("server_error",), ("api_error",)), "no-type": inside((None,), (None,))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_OVERLOADED,
        opening={"503": status(503), "529": status(529, ("overloaded_error",), ("overloaded_error",))},
        streamed={"event": inside(("server_error", "503"), ("overloaded_error",))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_RATE_LIMITED,
        opening={"429": status(429, ("requests", "rate_limit_exceeded"), ("rate_limit_error",))},
        streamed={"event": inside(("requests", "rate_limit_exceeded"), ("rate_limit_error",))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_QUOTA_EXHAUSTED,
        opening={
            "429": status(
                429,
                ("insufficient_quota", "insufficient_quota"),
                ("rate_limit_error", "enforced_spend_limit_reached"),
            ),
            "402": status(402, (), ("billing_error",)),
        },
        streamed={"event": inside((None, "insufficient_quota"), ("billing_error",))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_CREDENTIALS,
        opening={
            "401": status(401, (INVALID, "invalid_api_key"), ("authentication_error",)),
            "403": status(403, (), ("permission_error",)),
        },
        streamed={"event": inside((None, "invalid_api_key"), ("permission_error",))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND,
        opening={"404": status(404, (INVALID, "model_not_found"), ("not_found_error",))},
        streamed={"event": inside((None, "model_not_found"), ("not_found_error",))},
    ),
    Fault(
        R.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
        # The second provider, whose window is larger, may be asked; another would not.
        opening={
            "400": status(400, (INVALID, "context_length_exceeded"), (INVALID, "context_length_exceeded")),
            "413": status(413, (), ("request_too_large",)),
        },
        streamed={"event": inside((INVALID, "context_length_exceeded"), ("request_too_large",))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_REJECTED_REQUEST,
        opening={"400": status(400, (INVALID,), (INVALID,)), "422": status(422, (INVALID,), (INVALID,))},
        streamed={"event": inside((INVALID,), (INVALID,))},
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_CONFLICT,
        retried=True,
        opening={"409": status(409, (), ("conflict_error",))},
        streamed={"event": inside((None, "409"), ("conflict_error",))},
    ),
    Fault(
        R.ERROR_REASON_STREAM_TRUNCATED,
        streamed={"end": steps(End())},
        cannot="a reply without headers is a broken connection",
    ),
    Fault(
        R.ERROR_REASON_PROVIDER_BAD_RESPONSE,
        opening={
            "html": steps(Open("text/html", preamble=False), Raw(b"<html>"), End()),
            "redirect": status(307, location="http://127.0.0.1:9/elsewhere"),
        },
        streamed={"no-json": steps(Raw(BROKEN), End())},
    ),
    # A provider that says so while its caller waits is simply not working.
    Fault(
        R.ERROR_REASON_CALLER_CANCELLED,
        opening={"499": status(499)},
        cannot="inside a stream it is the caller that goes away: the tests of cancellation below",
    ),
)


@dataclass(frozen=True)
class Cell:
    """One place of the table."""

    fault: Fault
    signal: str
    script: Script
    stage: Stage

    def __str__(self) -> str:
        return f"{reason_name(self.fault.reason)}-{self.signal}-{self.stage.name}"


def cells() -> Iterator[Cell]:
    for fault in FAULTS:
        for signal, script in fault.opening.items():
            yield Cell(fault, signal, script, Stage.BEFORE_HEADERS)
        for signal, script in fault.streamed.items():
            yield Cell(fault, signal, script, Stage.BEFORE_FIRST_TOKEN)
            yield Cell(fault, signal, script, Stage.MID_STREAM)
