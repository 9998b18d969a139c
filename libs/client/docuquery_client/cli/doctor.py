"""`docuquery admin doctor`: what is wrong with this installation, and what to do about it.

Each service examines its own configuration, started by module name in this process's environment; the
gateway is called as any caller does. Nothing is changed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from docuquery_client.cli.console import clean, one_line, output, plain_table
from docuquery_client.cli.doctor_system import Finding, local_gateway, of_system
from docuquery_client.cli.options import JsonFlag
from docuquery_client.cli.session import EXIT_FAILED, Session, fail, session_of
from docuquery_client.stack import services_environment
from docuquery_client.supervision import StackError

_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}
_SECONDS = 60.0


class Service(StrEnum):
    """Whose configuration is examined."""

    GATEWAY = "gateway"
    INGEST = "ingest"
    RETRIEVAL = "retrieval"
    ANSWER = "answer"


ServiceOption = Annotated[
    list[Service] | None,
    typer.Option("--service", help="Only this one, where others run elsewhere; may be given again."),
]


def doctor(ctx: typer.Context, service: ServiceOption = None, as_json: JsonFlag = False) -> None:
    """Checks settings, what they point at, certificates, clocks, disk, versions; says what to do.

    Exits with 1 when there is an error; warnings are only told.

    The gateway is asked how the whole is; with --service only when --address says where it is.
    """
    chosen = service or list(Service)
    source = ctx.find_root().get_parameter_source("address")
    addressed = source is not None and source.name != "DEFAULT"
    session = session_of(ctx)
    try:
        environment = services_environment()
    except StackError as error:
        fail(clean(str(error)))
        raise typer.Exit(EXIT_FAILED) from None
    if not addressed:
        session = replace(session, address=local_gateway(environment))
    whole = session if addressed or not service else None
    found = asyncio.run(_examine(whole, chosen, environment))
    errors = sum(finding.level == "error" for finding in found)
    if as_json:
        report = {"errors": errors, "findings": [asdict(finding) for finding in found]}
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(found)
    if errors:
        raise typer.Exit(EXIT_FAILED)


async def _examine(
    session: Session | None, services: Sequence[Service], environment: Mapping[str, str]
) -> list[Finding]:
    checks = [_of_service(one, environment) for one in services]
    if session is not None:
        checks.append(of_system(session, environment))
    examined = await asyncio.gather(*checks)
    return [finding for findings in examined for finding in findings]


async def _of_service(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}.doctor"),
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            told, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return [
            Finding(service, "doctor", "error", "the checks did not end", "Run them again, and report it.")
        ]
    if process.returncode != 0:
        last = (said.decode("utf-8", "replace").strip().splitlines() or ["no word"])[-1]
        return [Finding(service, "doctor", "error", f"the checks broke off: {last}", "Report it.")]
    return [Finding(**json.loads(line)) for line in told.decode().splitlines()]


def _show(found: Sequence[Finding]) -> None:
    table = plain_table("service", "check", "result", "finding")
    for one in found:
        text = Text(one_line(one.message, 400))
        if one.advice:
            text.append(f"\n→ {one_line(one.advice, 400)}", style=_STYLES[one.level])
        table.add_row(one.service, one.check, Text(one.level, style=_STYLES[one.level]), text)
    console = output()
    console.print(table)
    counts = {level: sum(one.level == level for one in found) for level in _STYLES}
    console.print(f"{counts['ok']} well, {counts['warning']} warnings, {counts['error']} errors")
