"""`docuquery eval`: how well a system finds what people judged relevant."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

import typer

from docuquery_client.cli import eval_view
from docuquery_client.cli.console import clean, messages
from docuquery_client.cli.options import Mode, mode_value
from docuquery_client.cli.session import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    Session,
    fail,
    report,
    session_of,
    usage_error,
)
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.answer_run import AnswerEvaluation, evaluate_answers
from docuquery_client.evaluation.embedded import embedded_system, measured_settings
from docuquery_client.evaluation.layouts import load
from docuquery_client.evaluation.records import DatasetError
from docuquery_client.evaluation.report import Report, Setting, write_json
from docuquery_client.evaluation.run import Collection, Evaluation
from docuquery_client.evaluation.run import evaluate as evaluate_searches
from docuquery_client.evaluation.squad import AnswerDataset
from docuquery_client.supervision import StackError

T = TypeVar("T")
Settings: TypeAlias = "Mapping[str, Setting]"
Measurement: TypeAlias = "Callable[[AsyncDocuQuery, Settings], Awaitable[T]]"
"""Measures a server, of which the settings say what is known."""


class EvalMode(StrEnum):
    """Which index answers; `all` measures each."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"
    ALL = "all"


def evaluate(
    ctx: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A collection in the BEIR layout (corpus.jsonl, queries.jsonl, qrels.tsv), questions with "
            "marked answers (questions.jsonl and a folder of documents), or PDFs with a questions.jsonl that "
            "names the pages of the evidence.",
            show_default=False,
        ),
    ],
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the figures here; of several modes as a list.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        list[EvalMode] | None,
        typer.Option(help="Which index answers; give it several times, or `all`.", show_default="hybrid"),
    ] = None,
    rerank: Annotated[
        bool | None,
        typer.Option(
            "--rerank/--no-rerank", help="Order the best once more.", show_default="as the server is set"
        ),
    ] = None,
    limit_queries: Annotated[
        int | None, typer.Option(help="Ask only the first queries.", min=1, show_default="all")
    ] = None,
    concurrency: Annotated[
        int, typer.Option(help="Documents on their way, and queries asked, at a time.", min=1)
    ] = 8,
    provider: Annotated[
        str,
        typer.Option(help="Who answers marked questions first.", show_default="the server's order"),
    ] = "",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Measure this server. The collection stays among your documents there; others beside it "
            "change the figures, so use a key (a tenant) kept for it.",
            show_default="a system of its own, removed afterwards",
        ),
    ] = None,
) -> None:
    """Uploads a test collection, asks its queries, and says how good the rankings or the answers are.

    A document ranks as its best passage; an answer is right when it holds a marked span; page_hit@5 is the
    share of questions for which one of the first five passages touches a page of the evidence. Settings of
    the environment (CHUNK_SIZE=1000, for example) hold for the system it starts. Exits with 1 if the server
    refused something, which counts as not found.
    """
    try:
        dataset = load(folder, limit_queries)
    except DatasetError as error:
        raise usage_error(clean(str(error))) from None
    if json_file is not None and not (json_file.parent.is_dir() and not json_file.is_dir()):
        raise usage_error(f"--json: {clean(str(json_file))} is no file in an existing folder.")
    session = replace(session_of(ctx), address=address or _address_before_command(ctx))
    reports: Sequence[Report]
    evaluation: Evaluation | AnswerEvaluation
    if isinstance(dataset, AnswerDataset):
        if mode or rerank is not None:
            raise usage_error(
                "--mode, --rerank: marked questions are asked as users ask them, in no other way."
            )
        evaluation = answered = _score_answers(session, dataset, provider, concurrency)
        reports = [answered.report]
        eval_view.show_answers(answered)
    else:
        if provider:
            raise usage_error("--provider: this collection is searched only, its questions have no answers.")
        evaluation = ranked = _score_searches(
            session, dataset, mode or [EvalMode.HYBRID], rerank, concurrency
        )
        reports = [result.report for result in ranked.results]
        eval_view.show(ranked)
    if json_file is not None:
        try:
            write_json(json_file, reports)
        except OSError as error:
            fail(f"--json: {clean(str(json_file))}: {error.strerror}.")
            raise typer.Exit(EXIT_FAILED) from None
    if not evaluation.complete:
        raise typer.Exit(EXIT_FAILED)


def _address_before_command(ctx: typer.Context) -> str:
    """`docuquery --address HOST:PORT eval ...`; empty when it is not given there.

    The variable DOCUQUERY_ADDRESS does not count: thousands of documents go nowhere by surprise.
    """
    source = ctx.find_root().get_parameter_source("address")
    return session_of(ctx).address if source is not None and source.name == "COMMANDLINE" else ""


def _score_searches(
    session: Session,
    collection: Collection[Any],
    modes: list[EvalMode],
    rerank: bool | None,
    concurrency: int,
) -> Evaluation:
    chosen = {each.value: mode_value(each) for each in _distinct(modes)}

    async def measure(client: AsyncDocuQuery, settings: Settings) -> Evaluation:
        return await evaluate_searches(
            client,
            collection,
            chosen,
            rerank=rerank,
            concurrency=concurrency,
            settings=settings,
            progress=eval_view.progress,
        )

    return _measured(session, concurrency, measure)


def _score_answers(
    session: Session, dataset: AnswerDataset, provider: str, concurrency: int
) -> AnswerEvaluation:
    async def measure(client: AsyncDocuQuery, settings: Settings) -> AnswerEvaluation:
        return await evaluate_answers(
            client,
            dataset,
            provider,
            concurrency=concurrency,
            settings=settings,
            progress=eval_view.progress,
        )

    return _measured(session, concurrency, measure)


def _measured(session: Session, concurrency: int, measure: Measurement[T]) -> T:
    """What `measure` gives; what it fails with becomes a line on standard error and an exit code."""
    try:
        return asyncio.run(_measure(session, concurrency, measure))
    except ApiError as error:
        report(error)
    except (StackError, OSError) as error:
        fail(clean(str(error)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        messages().print("Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    raise typer.Exit(EXIT_FAILED)


async def _measure(session: Session, concurrency: int, measure: Measurement[T]) -> T:
    if (task := asyncio.current_task()) is not None:
        # By itself SIGTERM would leave the temporary folders behind.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    settings: dict[str, Setting] = {"address": session.address or None, "concurrency": concurrency}
    async with AsyncExitStack() as stack:
        if not session.address:
            messages().print("Starting a system of its own ...")
            settings["environment"] = measured_settings(os.environ)
            session = replace(session, address=await stack.enter_async_context(embedded_system()))
        client = await stack.enter_async_context(session.client())
        return await measure(client, settings)


def _distinct(modes: list[EvalMode]) -> list[Mode]:
    if EvalMode.ALL in modes:
        return list(Mode)
    return list(dict.fromkeys(Mode(mode.value) for mode in modes))
