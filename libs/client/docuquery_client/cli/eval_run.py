"""`docuquery eval run`: from the options to the figures."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import typer

from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery_client.cli import eval_view
from docuquery_client.cli.console import clean, messages
from docuquery_client.cli.eval_outputs import Outputs
from docuquery_client.cli.options import Mode, mode_value
from docuquery_client.cli.session import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    Session,
    fail,
    report,
    usage_error,
)
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.answer_run import AnswerEvaluation, evaluate_answers
from docuquery_client.evaluation.embedded import embedded_system, measured_settings
from docuquery_client.evaluation.judge.judging import Model
from docuquery_client.evaluation.layouts import load
from docuquery_client.evaluation.records import DatasetError
from docuquery_client.evaluation.report import Setting
from docuquery_client.evaluation.run import Collection, Evaluation
from docuquery_client.evaluation.run import evaluate as evaluate_searches
from docuquery_client.evaluation.sampling import Part
from docuquery_client.evaluation.squad import AnswerDataset
from docuquery_client.supervision import StackError

T = TypeVar("T")
Settings: TypeAlias = "Mapping[str, Setting]"
Measurement: TypeAlias = "Callable[[AsyncDocuQuery, Settings], Awaitable[T]]"
"""Measures a server, of which the settings say what is known."""

_ALL = "all"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure, and how."""

    part: Part
    """Of the queries."""
    modes: Sequence[str]
    """Names of search modes, or `all`; empty: the layout's own."""
    rerank: bool | None
    """None: as the server is set."""
    concurrency: int
    provider: str
    """Empty: the server's order."""
    judge: str
    """`PROVIDER:MODEL`; empty: none."""


def evaluate(session: Session, folder: Path, wanted: Wanted, outputs: Outputs) -> None:
    """Measures what is in `folder`, shows the figures and writes them."""
    try:
        dataset = load(folder, wanted.part)
    except DatasetError as error:
        raise usage_error(clean(str(error))) from None
    outputs.check()
    evaluation: Evaluation | AnswerEvaluation
    if isinstance(dataset, AnswerDataset):
        evaluation = _score_answers(session, dataset, wanted)
        eval_view.show_answers(evaluation)
    else:
        for option, value in (("--provider", wanted.provider), ("--judge", wanted.judge)):
            if value:
                raise usage_error(
                    f"{option}: this collection is searched only, its questions have no answers."
                )
        evaluation = _score_searches(session, dataset, wanted)
        eval_view.show(evaluation)
    outputs.write([result.report for result in evaluation.results])
    if not evaluation.complete:
        raise typer.Exit(EXIT_FAILED)


def _score_searches(session: Session, collection: Collection[Any], wanted: Wanted) -> Evaluation:
    async def measure(client: AsyncDocuQuery, settings: Settings) -> Evaluation:
        return await evaluate_searches(
            client,
            collection,
            _chosen(wanted.modes or (Mode.HYBRID,)),
            rerank=wanted.rerank,
            concurrency=wanted.concurrency,
            settings=settings,
            progress=eval_view.progress,
        )

    return _measured(session, wanted, measure)


def _score_answers(session: Session, dataset: AnswerDataset, wanted: Wanted) -> AnswerEvaluation:
    judge = _judge(wanted.judge) if wanted.judge else None

    async def measure(client: AsyncDocuQuery, settings: Settings) -> AnswerEvaluation:
        async with AsyncExitStack() as stack:
            if judge is not None:
                stack.push_async_callback(judge.aclose)
            return await evaluate_answers(
                client,
                dataset,
                wanted.provider,
                _chosen(wanted.modes),
                rerank=wanted.rerank,
                judge=judge,
                concurrency=wanted.concurrency,
                settings=settings,
                progress=eval_view.progress,
            )

    return _measured(session, wanted, measure)


def _judge(name: str) -> Model:
    # The providers' SDKs take a second to import.
    from docuquery_client.evaluation.judge.models import JudgeConfigurationError, judge_model

    try:
        return judge_model(name, os.environ)
    except JudgeConfigurationError as error:
        raise usage_error(f"--judge: {clean(str(error))}") from None


def _measured(session: Session, wanted: Wanted, measure: Measurement[T]) -> T:
    """What `measure` gives; what it fails with becomes a line on standard error and an exit code."""
    try:
        return asyncio.run(_measure(session, wanted, measure))
    except ApiError as error:
        report(error)
    except (StackError, OSError) as error:
        fail(clean(str(error)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        messages().print("Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    raise typer.Exit(EXIT_FAILED)


async def _measure(session: Session, wanted: Wanted, measure: Measurement[T]) -> T:
    if (task := asyncio.current_task()) is not None:
        # By itself SIGTERM would leave the temporary folders behind.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    settings: dict[str, Setting] = {
        "address": session.address or None,
        "concurrency": wanted.concurrency,
        "seed": wanted.part.seed if wanted.part.sample else None,
    }
    async with AsyncExitStack() as stack:
        if not session.address:
            messages().print("Starting a system of its own ...")
            settings["environment"] = measured_settings(os.environ)
            address = await stack.enter_async_context(embedded_system(wanted.provider))
            session = replace(session, address=address)
        client = await stack.enter_async_context(session.client())
        return await measure(client, settings)


def _chosen(modes: Sequence[str]) -> dict[str, SearchMode.ValueType]:
    """The contract's modes by name, each once, in the order in which they were asked for."""
    distinct = list(Mode) if _ALL in modes else list(dict.fromkeys(Mode(mode) for mode in modes))
    return {mode.value: mode_value(mode) for mode in distinct}
