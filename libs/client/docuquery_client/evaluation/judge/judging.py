"""A model asked about every answer of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from docuquery_client.evaluation.answer_metrics import Asked
from docuquery_client.evaluation.asking import for_each
from docuquery_client.evaluation.judge import prompt
from docuquery_client.evaluation.judge.agreement import JudgeSummary, agreement
from docuquery_client.evaluation.judge.prompt import UnreadableVerdictError, Verdict, material, read_verdict
from docuquery_client.evaluation.scores import Share, mark

_ANSWERED = "ANSWERED"


class ModelError(Exception):
    """The model did not reply. The text is for people and holds nothing of the provider's own words."""

    def __init__(self, what: str, *, will_recur: bool) -> None:
        super().__init__(what)
        self.will_recur = will_recur
        """Whether every other call would fail in the same way (a wrong key, for example)."""


class Model(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """`provider:model`."""
        ...

    async def complete(self, system: str, user: str) -> str:
        """Its reply. Raises ModelError; what passes was tried again before."""
        ...

    async def aclose(self) -> None:
        """Closes its connections."""
        ...


@dataclass(slots=True)
class Judgements:
    """What a model thinks of a run's answers."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By question id."""
    unreadable: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def scores(self, question_id: str) -> dict[str, Share]:
        """What it adds to a question's scores; nothing where there is no verdict."""
        verdict = self.verdicts.get(question_id)
        if verdict is None:
            return {}
        return {"judge_quality": mark(verdict.quality), "judge_faithfulness": mark(verdict.faithfulness)}


async def judge_all(
    model: Model,
    asked: Mapping[str, Asked],
    questions: Mapping[str, str],
    *,
    concurrency: int,
    on_finished: Callable[[], None],
) -> Judgements:
    """Asks `model` about every answer, `concurrency` at a time; `questions` are the texts by id.

    A failure that every call would meet ends it; what failed is in the result.
    """
    judgements = Judgements()

    async def judge(question_id: str) -> None:
        each = asked[question_id]
        passages = [passage.text for passage in each.passages]
        message = material(questions[question_id], each.answers, each.answer, passages)
        try:
            judgements.verdicts[question_id] = read_verdict(await model.complete(prompt.SYSTEM, message))
        except UnreadableVerdictError:
            judgements.unreadable += 1
        except ModelError as error:
            judgements.failed[str(error)] += 1
            if error.will_recur:
                raise
        on_finished()

    with suppress(ModelError):  # counted above
        await for_each(answered(asked), judge, concurrency)
    return judgements


def answered(asked: Mapping[str, Asked]) -> list[str]:
    """The ids of the questions that were answered: there is nothing to judge about a refusal."""
    return [question_id for question_id, each in asked.items() if not each.is_refused]


def summary(model: Model, judgements: Judgements, asked: Mapping[str, Asked]) -> JudgeSummary:
    """What to write down of `judgements`: by which model and prompt, and how far the other judges agree."""
    both = [(verdict, asked[question_id]) for question_id, verdict in judgements.verdicts.items()]
    return JudgeSummary(
        model=model.name,
        prompt_version=prompt.VERSION,
        prompt_sha256=prompt.SHA256,
        judged=len(both),
        unreadable=judgements.unreadable,
        failed=dict(sorted(judgements.failed.items())),
        quality=agreement([(verdict.is_good, each.is_correct) for verdict, each in both]),
        faithfulness=agreement([(verdict.is_faithful, each.outcome == _ANSWERED) for verdict, each in both]),
    )
