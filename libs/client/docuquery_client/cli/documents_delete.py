"""`docuquery documents delete`: single documents by name, or all that a filter keeps."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress

from docuquery_client.cli.console import clean, messages, one_line, output
from docuquery_client.cli.deletion import Deletions, Listed, collect, delete_all
from docuquery_client.cli.document_names import find_document, not_found
from docuquery_client.cli.options import (
    FileTypesOption,
    FilterOption,
    StatusesOption,
    filter_value,
    status_value,
    type_value,
)
from docuquery_client.cli.session import EXIT_FAILED, Session, fail, report, session_of, usage_error
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError

_PAGE = 200
_SHOWN_FAILURES = 20
_WORTH_TELLING_SECONDS = 2.0


def delete_documents(
    ctx: typer.Context,
    documents: Annotated[
        list[str] | None, typer.Argument(metavar="DOCUMENT", help="Their ids, or their sources.")
    ] = None,
    status: StatusesOption = None,
    type: FileTypesOption = None,
    filter: FilterOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every document.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be deleted, a line each.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before deleting what was not named one by one.")
    ] = False,
) -> None:
    """Deletes documents at once, for good: those named, those a filter keeps, or all.

    Goes on when one fails, and then exits with 1.

    What a filter keeps is counted first, and deleted after a yes. What comes later is not touched.
    """
    keep = filter_value(filter)
    narrowed = bool(status or type or keep)
    if bool(documents) + narrowed + every != 1:
        raise usage_error("name documents, or give --filter, --status or --type, or --all: one of the three.")
    session = session_of(ctx)
    if documents:
        complete = session.run(lambda client: _delete_named(client, documents, dry_run=dry_run))
    else:
        if not (yes or dry_run or sys.stdin.isatty()):
            raise usage_error("there is no terminal to ask at: say --yes, or look first with --dry-run.")
        found = session.run(
            lambda client: collect(
                client.documents(
                    statuses=[status_value(one) for one in status or ()],
                    types=[type_value(one) for one in type or ()],
                    filter=keep,
                    page_size=_PAGE,
                )
            )
        )
        complete = _delete_found(session, found, dry_run=dry_run, sure=yes)
    if not complete:
        raise typer.Exit(EXIT_FAILED)


def _delete_found(session: Session, found: list[Listed], *, dry_run: bool, sure: bool) -> bool:
    """Deletes a listing's documents, after a yes; whether all of them are gone."""
    if not found:
        messages().print("No document is meant: nothing to delete.")
        return True
    amount = _amount(len(found), sum(one.chunk_count for one in found))
    if dry_run:
        for one in found:
            sys.stdout.write(f"{one.document_id}  {one_line(one.source, 1024)}\n")
        messages().print(f"{amount} would be deleted.")
        return True
    if not sure and not typer.confirm(f"Delete {amount} for good?", err=True):
        messages().print("Nothing was deleted.")
        return False
    done = Deletions()
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), console=messages(), transient=True,
        disable=not messages().is_terminal,
    )  # fmt: skip
    task = bar.add_task("delete", total=len(found))
    try:
        with bar:
            session.run(
                lambda client: delete_all(
                    client, found, done, on_progress=lambda: bar.advance(task), sleep=_Pauses().sleep
                )
            )
    finally:
        _tell(done, len(found))
    return not done.failures


class _Pauses:
    """Says that the server wants to be waited for, once for all deletions that do so together."""

    def __init__(self) -> None:
        self._told_until = 0.0

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        end = time.monotonic() + seconds
        if seconds >= _WORTH_TELLING_SECONDS and end > self._told_until + _WORTH_TELLING_SECONDS:
            self._told_until = end
            messages().print(f"The server wants to be waited for: going on in {seconds:.0f} s.")
        await asyncio.sleep(seconds)


def _tell(done: Deletions, wanted: int) -> None:
    output().print(f"Deleted {_amount(done.deleted, done.chunks)}.", soft_wrap=True)
    if done.gone:
        messages().print(f"{done.gone} were gone already.")
    left = wanted - done.deleted - done.gone - len(done.failures)
    if left:
        messages().print(f"{left} were not reached; the same command goes on where this stopped.")
    if done.failures:
        fail(f"{len(done.failures)} were not deleted:")
    for listed, error in done.failures[:_SHOWN_FAILURES]:
        line = f"  {one_line(listed.source, 200)}: {one_line(str(error), 500)}"
        messages().print(line, soft_wrap=True)
    if len(done.failures) > _SHOWN_FAILURES:
        messages().print(f"  and {len(done.failures) - _SHOWN_FAILURES} more")


def _amount(documents: int, chunks: int) -> str:
    noun = "document" if documents == 1 else "documents"
    return f"{documents:,} {noun} ({chunks:,} chunks)"


async def _delete_named(client: AsyncDocuQuery, names: list[str], *, dry_run: bool) -> bool:
    """Deletes documents named by id or source; whether all of them were there and are gone."""
    complete = True
    for name in names:
        try:
            found = await find_document(client, name)
            if not found:
                not_found(name)
                complete = False
                continue
            if dry_run:
                document = await client.get_document(found)
                sys.stdout.write(f"{found}  {one_line(document.source, 1024)}\n")
                continue
            reply = await client.delete_document(found)
        except ApiError as error:
            if not error.server_spoke:
                raise  # no server, no use going on
            report(error)
            complete = False
            continue
        output().print(f"Deleted {clean(name)} ({reply.deleted_chunk_count} chunks).")
    return complete
