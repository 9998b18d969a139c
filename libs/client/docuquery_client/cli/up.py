"""`docuquery up`: the four services on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.text import Text

from docuquery_client.cli.console import clean, messages, output, plain_table
from docuquery_client.cli.env_file import env_file
from docuquery_client.cli.session import EXIT_FAILED, Session, describe, fail, session_of, usage_error
from docuquery_client.client import DEFAULT_ADDRESS
from docuquery_client.errors import ApiError
from docuquery_client.stack import Ports, prepare_stack, wait_until_whole
from docuquery_client.supervision import START_TIMEOUT_SECONDS, Stack, StackError, badly_ended, describe_exit

_COLOURS = {"gateway": "cyan", "ingest": "green", "retrieval": "magenta", "answer": "yellow"}
_NAME_WIDTH = max(map(len, _COLOURS))


class Profile(StrEnum):
    """The services' profiles; docs/configuration.md says what each sets and refuses."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


PortOption = Annotated[
    int | None, typer.Option(min=1, max=65535, show_default="<NAME>_PORT, or 50051 and on")
]


def up(
    ctx: typer.Context,
    gateway_port: PortOption = None,
    ingest_port: PortOption = None,
    retrieval_port: PortOption = None,
    answer_port: PortOption = None,
    start_timeout: Annotated[
        float, typer.Option(help="Seconds until all must be healthy.", min=1)
    ] = START_TIMEOUT_SECONDS,
    profile: Annotated[
        Profile | None, typer.Option(help="Defaults for where this runs.", show_default="PROFILE, or dev")
    ] = None,
) -> None:
    """Starts gateway, ingest, retrieval and answer on this machine and shows their logs.

    Settings come from the environment and from `.env`. Ctrl-C (or SIGTERM) stops everything in order.
    When one service ends by itself, the others are stopped and the exit code is 1.
    """
    settings = {**env_file(Path(".env")), **os.environ}
    chosen = {
        "gateway": gateway_port,
        "ingest": ingest_port,
        "retrieval": retrieval_port,
        "answer": answer_port,
    }
    ports = Ports(**{name: port or _port(settings, name) for name, port in chosen.items()})
    # Only a person wants to read console logs; `.env` and the environment have the last word.
    env = {"LOG_FORMAT": "console"} if sys.stdout.isatty() and "LOG_FORMAT" not in settings else {}
    told = {key: value for key, value in settings.items() if key.endswith("_HOST") or key.startswith("TLS_")}
    if profile is not None:
        env["PROFILE"] = profile.value
    session = session_of(ctx)
    if settings.get("GATEWAY_TLS_CERT_FILE") and session.tls is None:
        raise usage_error("the gateway is set up for TLS: say how to call it, with --ca before `up`.")
    code = asyncio.run(_run(session, ports, {**told, **env}, start_timeout))
    raise typer.Exit(code)


async def _run(session: Session, ports: Ports, env: Mapping[str, str], start_timeout: float) -> int:
    """Everything between start and end; returns the exit code."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    console = output()
    try:
        stack = prepare_stack(env, ports, on_line=_LinePrinter(console), tls=session.tls)
    except StackError as error:
        fail(clean(str(error)))
        return EXIT_FAILED
    messages().print("Starting gateway, ingest, retrieval and answer ...")
    serving = asyncio.create_task(_serve(stack, session, console, start_timeout))
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    serving.cancel()
    (outcome,) = await asyncio.gather(serving, return_exceptions=True)
    return await _stop(stack, interrupted, outcome)


async def _serve(stack: Stack, session: Session, console: Console, start_timeout: float) -> None:
    """Starts everything and says that it is up; ends only by StackError, when a service has ended."""
    started = time.monotonic()
    await stack.start()
    await stack.wait_healthy(start_timeout)
    address = stack.addresses["gateway"]
    ended = asyncio.create_task(stack.wait_for_exit())
    async with session.client(address) as client:
        whole = asyncio.create_task(wait_until_whole(client, start_timeout))
        try:
            await asyncio.wait({whole, ended}, return_when=asyncio.FIRST_COMPLETED)
            if whole.done():
                _announce(console, stack, address, time.monotonic() - started, _doubts(whole))
            raise StackError(describe_exit(await ended))
        finally:
            whole.cancel()
            ended.cancel()
            await asyncio.gather(whole, ended, return_exceptions=True)


def _doubts(whole: asyncio.Task[object]) -> str:
    """What the gateway would not say, or says is wrong; empty when all is well."""
    error = whole.exception()
    if error is None:
        return ""
    if isinstance(error, ApiError):
        locked = error.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
        return "This server wants an API key." if locked else describe(error)
    raise error


async def _stop(stack: Stack, interrupted: asyncio.Event, outcome: BaseException | None) -> int:
    """Says why it ends, and stops everything; a further Ctrl-C kills. Returns the exit code.

    0 when we were asked to stop and every service ended well.
    """
    asked = interrupted.is_set() and not isinstance(outcome, StackError)
    if isinstance(outcome, StackError):
        fail(clean(str(outcome)))
    messages().print("Stopping (Ctrl-C again kills) ...")
    interrupted.clear()
    stopping = asyncio.create_task(stack.stop())
    again = asyncio.create_task(interrupted.wait())
    await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        stack.kill()
    again.cancel()
    bad = badly_ended(await stopping)
    if bad and asked:
        fail(", ".join(f"{name} ended with exit code {code}" for name, code in bad.items()) + ".")
    messages().print("Stopped.")
    if outcome is not None and not isinstance(outcome, StackError | asyncio.CancelledError):
        raise outcome
    return 0 if asked and not bad else EXIT_FAILED


def _announce(console: Console, stack: Stack, address: str, seconds: float, doubts: str) -> None:
    console.print(Text(f"DocuQuery is up ({seconds:.1f} s).", style="bold green"))
    table = plain_table("service", "address", "pid")
    for name, where in reversed(stack.addresses.items()):
        table.add_row(name, where, str(stack.processes[name].pid))
    console.print(table)
    command = "docuquery" if address == DEFAULT_ADDRESS else f"docuquery --address {address}"
    if doubts:
        console.print(Text(clean(doubts), style="yellow"))
    console.print(
        f"Try, in another terminal:\n"
        f"  {command} ingest samples/handbook\n"
        f'  {command} ask "What is the hotel limit per night in Paris?"\n'
        f"  {command} status\n"
        "Ctrl-C stops everything.",
        soft_wrap=True,
    )


class _LinePrinter:
    """Prints log lines with the service's name before them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, name: str, line: str) -> None:
        prefix = (f"{name:<{_NAME_WIDTH}} | ", _COLOURS.get(name, ""))
        self._console.print(Text.assemble(prefix, clean(line)), soft_wrap=True)


def _port(settings: Mapping[str, str], name: str) -> int:
    default = asdict(Ports())[name]
    value = settings.get(f"{name.upper()}_PORT", "")
    if not value:
        return int(default)
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise usage_error(f"{name.upper()}_PORT={value} is not a port.")
    return int(value)
