"""`docuquery ingest`: files and folders into the store."""

from __future__ import annotations

import time
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Annotated

import typer

from docuquery_client.cli.console import messages, output
from docuquery_client.cli.ingest_files import Selection, SelectionError, Why, select
from docuquery_client.cli.ingest_view import (
    ProgressView,
    ReportFile,
    Tally,
    failure_lines,
    left_out_lines,
    misnamed_lines,
)
from docuquery_client.cli.options import FileType, IfExists, if_exists_value, type_value
from docuquery_client.cli.passwords import PASSWORD_VARIABLE, PasswordError, document_password
from docuquery_client.cli.session import EXIT_FAILED, fail, session_of, usage_error
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.filters import metadata_from_pairs
from docuquery_client.resume import upload_resuming
from docuquery_client.upload_files import UploadFile


def ingest(
    ctx: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Files, folders (searched through) and glob patterns. Hidden files and kinds that are not "
            "read are left out of folders; a file you name is always sent.",
        ),
    ],
    source_prefix: Annotated[
        str,
        typer.Option(
            help="Put before each source. The source names a document in the store: for a file in a "
            "folder you give, its path from the folder's name on; else the file name.",
            show_default=False,
        ),
    ] = "",
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            "--metadata",
            "-m",
            metavar="KEY=VALUE",
            help="Kept with each document, in the place of what was; none given leaves that as it is.",
            show_default=False,
        ),
    ] = None,
    if_exists: Annotated[IfExists, typer.Option(help="When a source is there already.")] = IfExists.REPLACE,
    type: Annotated[
        FileType | None, typer.Option(help="What the files are.", show_default="told from the content")
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            metavar="LANGUAGE",
            help="What they are written in: de, german.",
            show_default="told from the text",
        ),
    ] = "",
    password: Annotated[
        bool,
        typer.Option(
            "--password",
            help="Ask for the password of encrypted files. Without a terminal: --password-file, or "
            f"{PASSWORD_VARIABLE}.",
        ),
    ] = False,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The password is this file's first line.", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Write a line for each file here.", show_default=False),
    ] = None,
) -> None:
    """Uploads files and waits until they are searchable.

    Doing it again is safe and quick: what has not changed is left alone. Exits with 1 if any file failed.
    """
    try:
        selection = select(paths, source_prefix)
    except SelectionError as error:
        raise usage_error(str(error)) from None
    try:
        details = metadata_from_pairs(metadata) if metadata else None
    except ValueError as error:
        raise usage_error(f"--metadata: {error}.") from None
    if not selection.files:
        fail("Nothing to ingest: no file of a kind that is read.")
        _tell_left_out(selection)
        raise typer.Exit(EXIT_FAILED)
    try:
        secret = document_password(ask=password, file=password_file)
    except PasswordError as error:
        raise usage_error(str(error)) from None
    files = [
        UploadFile(
            found.path,
            source=found.source,
            type=type_value(type),
            metadata=details,
            if_exists=if_exists_value(if_exists),
            password=secret,
            language=language,
        )
        for found in selection.files
    ]
    tally = Tally()
    with ExitStack() as stack:
        lines = _open_report(report, stack)
        started = time.monotonic()
        try:
            session_of(ctx).run(lambda client: _upload(client, files, tally, lines))
        finally:
            _show(tally, selection, time.monotonic() - started)
    if tally.failures or Why.CLOSED in selection.left_out:
        raise typer.Exit(EXIT_FAILED)


async def _upload(
    client: AsyncDocuQuery, files: list[UploadFile], tally: Tally, report: ReportFile | None
) -> None:
    sizes = {file.path: _size(file.path) for file in files}
    with ProgressView(messages(), sizes) as view:
        stream = upload_resuming(client, files, on_sent=view.sent, on_pause=view.pausing)
        async with aclosing(stream) as events:
            async for event in events:
                if not event.finished:
                    continue
                size = sizes[event.file.path]
                result = tally.add(event, size)
                view.finished(event)
                if report is not None:
                    report.write(event, result, size)


def _show(tally: Tally, selection: Selection, seconds: float) -> None:
    done = sum(tally.results.values())
    if not done:
        return
    output().print(tally.summary(seconds), soft_wrap=True)
    _tell_left_out(selection)
    if done < len(selection.files):
        missing = len(selection.files) - done
        messages().print(f"{missing} files were not finished; the same command goes on where this stopped.")
    if tally.misnamed:
        messages().print(f"Not what their names say ({len(tally.misnamed)}):")
        for line in misnamed_lines(tally.misnamed):
            messages().print(line, soft_wrap=True)
    if tally.failures:
        fail(f"{len(tally.failures)} failed:")
        for line in failure_lines(tally.failures):
            messages().print(line, soft_wrap=True)
        if any(event.reason == "DOCUMENT_ENCRYPTED" for event in tally.failures):
            messages().print("The password of encrypted PDF files is given by --password or --password-file.")


def _tell_left_out(selection: Selection) -> None:
    if selection.left_out:
        messages().print("Left out of folders; a file you name is always sent:")
        for line in left_out_lines(selection.left_out):
            messages().print(line, soft_wrap=True)


def _open_report(path: Path | None, stack: ExitStack) -> ReportFile | None:
    if path is None:
        return None
    try:
        return ReportFile(stack.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace")))
    except OSError as error:
        raise usage_error(f"--report: {path}: {error.strerror}.") from None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # gone or forbidden: the upload will say so
