"""The server the commands speak to, and what becomes of a failed call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import typer

from docuquery_client.cli.console import clean, messages
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.tls import Tls

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""As shells report a command that Ctrl-C ended."""

T = TypeVar("T")

_HINTS = {
    "CREDENTIALS_MISSING": "Give --api-key, or set DOCUQUERY_API_KEY.",
    "CREDENTIALS_INVALID": "Check --api-key or DOCUQUERY_API_KEY.",
}


@dataclass(frozen=True, slots=True)
class Session:
    """The global options."""

    address: str
    api_key: str | None = field(repr=False)
    timeout_seconds: float
    tls: Tls | None = None

    def client(self, address: str | None = None) -> AsyncDocuQuery:
        """A client with these options; `address` is another server than the one they name."""
        return AsyncDocuQuery(
            address or self.address, self.api_key, timeout_seconds=self.timeout_seconds, tls=self.tls
        )

    def run(self, action: Callable[[AsyncDocuQuery], Awaitable[T]]) -> T:
        """Runs `action` with a client; a failed call becomes one line on standard error and exit 1."""

        async def with_client() -> T:
            async with self.client() as client:
                return await action(client)

        try:
            return asyncio.run(with_client())
        except ApiError as error:
            report(error)
            raise typer.Exit(EXIT_FAILED) from None
        except KeyboardInterrupt:
            messages().print("Interrupted.")
            raise typer.Exit(EXIT_INTERRUPTED) from None


def session_of(ctx: typer.Context) -> Session:
    """The global options the command was called with."""
    session = ctx.find_object(Session)
    if session is None:
        raise RuntimeError("the application's callback sets the session")
    return session


def describe(error: ApiError) -> str:
    """A failed call as one line: what happened, the reason, the request id, what to do."""
    if error.found_no_server:
        text = (
            f"{error.message} ({error.reason}). Start one on this machine with `docuquery up`, "
            "or name another with --address."
        )
    else:
        text = " ".join(filter(None, [str(error), _HINTS.get(error.reason, "")]))
    return " ".join(clean(text).split())


def usage_error(sentence: str) -> typer.Exit:
    """Prints what is wrong with the command line; returns the exit to raise."""
    fail(sentence)
    return typer.Exit(EXIT_USAGE)


def report(error: ApiError) -> None:
    """Prints a failed call to standard error."""
    fail(describe(error))


def fail(sentence: str) -> None:
    """Prints one line about a failure to standard error."""
    messages().print(f"error: {sentence}", style="red", soft_wrap=True)
