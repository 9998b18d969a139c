"""What a run brought: its figures, with intervals, and what every question scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from docuquery_client.evaluation import statistics
from docuquery_client.evaluation.judge.agreement import JudgeSummary
from docuquery_client.evaluation.scores import Scores, figures, names_of

Setting: TypeAlias = "str | bool | int | float | dict[str, str] | dict[str, int] | dict[str, float] | None"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as far as it is written down."""

    outcome: str
    """The contract's name; empty when the server did not take the question."""
    answer: str
    """Empty when it was refused."""
    confidence: float
    """0 to 1."""
    is_correct: bool
    """`Asked.is_correct`."""


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """One question of a run."""

    id: str
    text: str
    scores: Scores
    kind: str = ""
    """What sort of question the set says it is; empty: it does not."""
    seconds: float | None = None
    """How long the reply took; None when there was none."""
    reply: Reply | None = None
    """None where documents or pages are judged, not answers."""


@dataclass(frozen=True, slots=True)
class Report:
    """One collection in one search mode, or one set of questions answered by one provider."""

    dataset: str
    mode: str
    """The search mode, or the provider asked (`auto`: the server's order) and the mode if one was named."""
    settings: Mapping[str, Setting]
    """What was measured, and under which conditions."""
    metrics: Mapping[str, float]
    """Over the queries, by name; 0 to 1, higher is better."""
    intervals: Mapping[str, tuple[float, float]]
    """The 95 % interval of each metric."""
    questions: Sequence[QuestionResult]
    """In the order in which they stand in the set."""
    questions_sha256: str
    """Of the questions and what was expected of them (`records.fingerprint`)."""
    judge: JudgeSummary | None = None
    """What a model thought of the answers; None: none was asked."""


def summed_up(
    dataset: str,
    mode: str,
    settings: Mapping[str, Setting],
    questions: Sequence[QuestionResult],
    questions_sha256: str,
    *,
    always: Sequence[str] = (),
    judge: JudgeSummary | None = None,
) -> Report:
    """The report of these questions. Metrics in `always` are there even when they apply to none of them."""
    scored = [question.scores for question in questions]
    names = tuple(dict.fromkeys((*always, *names_of(scored))))
    return Report(
        dataset=dataset,
        mode=mode,
        settings=settings,
        metrics=figures(scored, names),
        intervals={name: statistics.interval(scored, name) for name in names},
        questions=questions,
        questions_sha256=questions_sha256,
        judge=judge,
    )


def by_kind(questions: Iterable[QuestionResult]) -> dict[str, list[QuestionResult]]:
    """The questions by kind, in the order in which kinds first appear; those without one are left out."""
    kinds: dict[str, list[QuestionResult]] = {}
    for question in questions:
        if question.kind:
            kinds.setdefault(question.kind, []).append(question)
    return kinds


def kind_figures(questions: Sequence[QuestionResult]) -> dict[str, float]:
    """The metrics that apply to questions of a kind."""
    scored = [question.scores for question in questions]
    return figures(scored, names_of(scored))


def latency(questions: Iterable[QuestionResult]) -> dict[str, float]:
    """Seconds of a reply at three percentiles (nearest rank), as a client sees them; empty without any."""
    seconds = sorted(question.seconds for question in questions if question.seconds is not None)
    if not seconds:
        return {}
    return {f"p{share}": round(seconds[-(-len(seconds) * share // 100) - 1], 4) for share in (50, 95, 99)}
