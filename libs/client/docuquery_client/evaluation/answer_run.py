"""One measurement of answers, from the upload to the figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from docuquery_client.client import AsyncDocuQuery
from docuquery_client.evaluation.answer_metrics import answer_metrics
from docuquery_client.evaluation.answering import PASSAGES_PER_QUESTION, Answers, answer_all
from docuquery_client.evaluation.report import Report, Setting
from docuquery_client.evaluation.run import Progress, about_server, seconds_since
from docuquery_client.evaluation.squad import AnswerDataset
from docuquery_client.evaluation.upload import Uploaded, source_of, upload
from docuquery_client.upload_files import UploadFile


@dataclass(frozen=True, slots=True)
class AnswerEvaluation:
    """What a measurement brought."""

    uploaded: Uploaded
    upload_seconds: float
    report: Report
    answers: Answers

    @property
    def complete(self) -> bool:
        """Whether the server took every document and every question, and did all as configured."""
        return not (self.uploaded.failures or self.answers.refused or self.answers.degraded)


async def evaluate_answers(
    client: AsyncDocuQuery,
    dataset: AnswerDataset,
    provider: str,
    *,
    concurrency: int,
    settings: Mapping[str, Setting],
    progress: Progress,
) -> AnswerEvaluation:
    """Uploads the documents and asks the questions of `provider` (empty: the server's order).

    `settings` say what the caller knows of the server; what it says of itself is added. Raises ApiError when
    the server fails.
    """
    started = time.monotonic()
    names = {source_of(dataset.name, file.name): file.name for file in dataset.files}
    files = [UploadFile(file, source=source) for source, file in zip(names, dataset.files, strict=True)]
    with progress("documents", len(files)) as step:
        uploaded = await upload(client, files, max_in_flight=concurrency, on_finished=step)
    upload_seconds = time.monotonic() - started
    started = time.monotonic()
    with progress("questions", len(dataset.questions)) as step:
        answers = await answer_all(
            client, dataset.questions, names, provider, concurrency=concurrency, on_finished=step
        )
    conditions: dict[str, Setting] = {
        **settings,
        **await about_server(client),
        "documents": uploaded.finished - len(uploaded.failures),
        "queries": len(dataset.questions),
        "answerable_queries": sum(question.is_answerable for question in dataset.questions),
        "refused_queries": len(answers.refused),
        "outcomes": dict(sorted(answers.outcomes.items())),
        "degraded_replies": dict(answers.degraded),
        "passages_per_query": PASSAGES_PER_QUESTION,
        "answer_seconds": seconds_since(started),
    }
    metrics = answer_metrics([answers.asked[question.id] for question in dataset.questions])
    report = Report(dataset.name, provider or "auto", conditions, metrics)
    return AnswerEvaluation(uploaded, upload_seconds, report, answers)
