"""Which kind of test collection a folder holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from docuquery_client.evaluation import beir, pages, squad
from docuquery_client.evaluation.documents import JudgedDocuments
from docuquery_client.evaluation.records import QUESTIONS, records
from docuquery_client.evaluation.run import Collection
from docuquery_client.evaluation.sampling import Part
from docuquery_client.evaluation.squad import AnswerDataset

TestSet: TypeAlias = "Collection[Any] | AnswerDataset"
"""Something to search, or questions to answer."""


def load(folder: Path, part: Part) -> TestSet:
    """What is in `folder`, with a part of its questions. Raises records.DatasetError.

    Without `questions.jsonl` it is a collection of judged documents; whether it is about pages or about
    answers is told by the first question's `evidence`.
    """
    path = folder / QUESTIONS
    if not path.is_file():
        dataset = beir.load(folder)
        return JudgedDocuments(replace(dataset, queries=part.of(dataset.queries)))
    if any("evidence" in record for _, record in islice(records(path), 1)):
        judged = pages.load(folder)
        judged.queries = part.of(judged.queries)
        return judged
    answered = squad.load_answers(folder)
    return replace(answered, questions=part.of(answered.questions))
