"""One measurement of answers, from the upload to the figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.evaluation.answer_metrics import ALWAYS, Asked, answer_scores
from docuquery_client.evaluation.answering import Answers, QueryOptions, answer_all
from docuquery_client.evaluation.judge.judging import Judgements, Model, answered, judge_all, summary
from docuquery_client.evaluation.report import QuestionResult, Reply, Report, Setting, latency, summed_up
from docuquery_client.evaluation.run import Progress, about_server, seconds_since
from docuquery_client.evaluation.squad import AnswerDataset, MarkedQuestion
from docuquery_client.evaluation.upload import Uploaded, source_of, upload
from docuquery_client.upload_files import UploadFile


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """The questions asked in one way."""

    report: Report
    answers: Answers


@dataclass(slots=True)
class AnswerEvaluation:
    """What a measurement brought."""

    uploaded: Uploaded
    upload_seconds: float
    results: list[AnswerResult] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the server took every document and question, all went as configured, and all was judged."""
        return not self.uploaded.failures and not any(
            result.answers.refused or result.answers.degraded or _is_judged_in_part(result.report)
            for result in self.results
        )


async def evaluate_answers(
    client: AsyncDocuQuery,
    dataset: AnswerDataset,
    provider: str,
    modes: Mapping[str, SearchMode.ValueType],
    *,
    rerank: bool | None,
    judge: Model | None,
    concurrency: int,
    settings: Mapping[str, Setting],
    progress: Progress,
) -> AnswerEvaluation:
    """Uploads the documents and asks the questions of `provider` (empty: the server's order).

    They are asked once for each of `modes`, which are by name, or without one (empty) as users ask them;
    `rerank` None leaves that to the server, too. `judge` is asked about every answer. `settings` say what the
    caller knows of the server; what it says of itself is added. Raises ApiError when the server fails.
    """
    started = time.monotonic()
    names = {source_of(dataset.name, file.name): file.name for file in dataset.files}
    files = [UploadFile(file, source=source) for source, file in zip(names, dataset.files, strict=True)]
    with progress("documents", len(files)) as step:
        uploaded = await upload(client, files, max_in_flight=concurrency, on_finished=step)
    evaluation = AnswerEvaluation(uploaded, time.monotonic() - started)
    about: dict[str, Setting] = {
        **settings,
        **await about_server(client),
        "documents": uploaded.finished - len(uploaded.failures),
        "rerank": rerank,
    }
    for name, mode in (modes or {"": SearchMode.SEARCH_MODE_UNSPECIFIED}).items():
        label = "/".join(filter(None, (provider or "auto", name)))
        options = QueryOptions(provider, mode, rerank)
        started = time.monotonic()
        with progress(f"{label} questions", len(dataset.questions)) as step:
            answers = await answer_all(
                client, dataset.questions, names, options, concurrency=concurrency, on_finished=step
            )
        took = seconds_since(started)
        judgements = None
        if judge is not None:
            texts = {question.id: question.text for question in dataset.questions}
            with progress("judgements", len(answered(answers.asked))) as step:
                judgements = await judge_all(
                    judge, answers.asked, texts, concurrency=concurrency, on_finished=step
                )
        questions = [
            _result(question, answers.asked[question.id], judgements) for question in dataset.questions
        ]
        report = summed_up(
            dataset.name,
            label,
            {
                **about,
                **_conditions(dataset.questions, answers),
                "answer_seconds": took,
                "latency_seconds": latency(questions),
            },
            questions,
            dataset.questions_sha256,
            always=ALWAYS,
            judge=summary(judge, judgements, answers.asked) if judge and judgements else None,
        )
        evaluation.results.append(AnswerResult(report, answers))
    return evaluation


def _conditions(questions: Sequence[MarkedQuestion], answers: Answers) -> dict[str, Setting]:
    passages = [len(each.passages) for each in answers.asked.values()]
    return {
        "queries": len(questions),
        "answerable_queries": sum(question.is_answerable for question in questions),
        "refused_queries": len(answers.refused),
        "answered_by": dict(sorted(answers.answered_by.items())),
        "outcomes": dict(sorted(answers.outcomes.items())),
        "degraded_replies": dict(answers.degraded),
        "mean_passages_per_query": round(sum(passages) / len(passages), 1),
    }


def _result(question: MarkedQuestion, asked: Asked, judgements: Judgements | None) -> QuestionResult:
    judged = judgements.scores(question.id) if judgements else {}
    return QuestionResult(
        id=question.id,
        text=question.text,
        scores={**answer_scores(asked), **judged},
        kind=question.kind,
        seconds=asked.seconds,
        reply=Reply(asked.outcome, asked.answer, asked.confidence, asked.is_correct),
    )


def _is_judged_in_part(report: Report) -> bool:
    return report.judge is not None and bool(report.judge.unreadable or report.judge.failed)
