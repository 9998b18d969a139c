"""Questions with the passages a search finds for them, as rows of numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from google.protobuf.struct_pb2 import Value
from numpy.typing import NDArray

from docuquery.common.v1.filter_pb2 import Condition, Filter
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.evaluation.embedded import embedded_system
from docuquery_client.evaluation.spans import holds_span
from docuquery_client.evaluation.squad import AnswerDataset, MarkedQuestion
from services.answer.convert import passage_from_proto
from services.answer.extraction.candidates import SourceText
from services.answer.extraction.likeness import WordVectors
from services.answer.extraction.selection import Considered, consider
from services.answer.model import Passage
from services.answer.providers.extractive import source_text

_SEARCHES = 4  # at a time


@dataclass(frozen=True)
class Case:
    """A question with its passages and the sentences in them."""

    question: MarkedQuestion
    passages: tuple[Passage, ...]
    """What the search found, best first."""
    others: tuple[Passage, ...]
    """As many of what it found that hold no marked span: the question with its answer taken away."""
    elsewhere: tuple[Passage, ...]
    """What the search finds in the documents that it is not about."""
    considered: Considered

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """Shape (sentences, features)."""
        return np.array([item.features for item in self.considered.scored], dtype=np.float64)

    @cached_property
    def holds(self) -> NDArray[np.bool_]:
        """Whether each sentence holds a marked span."""
        answers = self.question.answers
        return np.array([holds_span(item.candidate.text, answers) for item in self.considered.scored], bool)

    @cached_property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether it does so in the right document: what the fit learns from."""
        documents = self.question.documents
        found = [self.passages[item.candidate.source].filename for item in self.considered.scored]
        right: NDArray[np.bool_] = self.holds & np.array([name in documents for name in found], bool)
        return right

    @property
    def group(self) -> str:
        """What is left out together: the document asked about."""
        return self.question.documents[0] if self.question.documents else ""


async def collect(dataset: AnswerDataset, vectors: WordVectors, top_k: int) -> list[Case]:
    """Uploads the documents to a system of its own and searches for every question."""
    contents = await asyncio.to_thread(lambda: {file.name: file.read_bytes() for file in dataset.files})
    async with embedded_system() as address, AsyncDocuQuery(address) as client:
        for name, content in contents.items():
            await client.upload_document(name, content)
        turns = asyncio.Semaphore(_SEARCHES)

        async def passages_of(text: str, without: Sequence[str] = ()) -> tuple[Passage, ...]:
            conditions = [
                Condition(field="filename", equals=Value(string_value=name), negate=True) for name in without
            ]
            async with turns:
                reply = await client.search(text, limit=2 * top_k, filter=Filter(conditions=conditions))
            return tuple(passage_from_proto(passage) for passage in reply.passages)

        questions = [question for question in dataset.questions if not question.after]
        found = await asyncio.gather(*(passages_of(each.text) for each in questions))
        elsewhere = await asyncio.gather(*(passages_of(each.text, each.documents) for each in questions))
    cases = []
    for question, passages, foreign in zip(questions, found, elsewhere, strict=True):
        others = tuple(passage for passage in passages if not holds_span(passage.text, question.answers))
        considered = consider(question.text, sources_of(passages[:top_k]), vectors)
        if considered.scored:
            cases.append(Case(question, passages[:top_k], others[:top_k], foreign[:top_k], considered))
    return cases


def sources_of(passages: Sequence[Passage]) -> list[SourceText]:
    """Passages as the search for an answer sees them."""
    return [source_text(passage) for passage in passages]


def groups(cases: Sequence[Case]) -> list[str]:
    """The documents asked about, each once."""
    return sorted({case.group for case in cases})
