"""The layout of a question-answering set: documents, and questions with the answers people marked in them.

A folder with `questions.jsonl` and the documents as files in `documents/` (or in the only folder there is). A
line holds `question`, `document` (a file's name; or `documents`, a list), `answers` (spans of a document's
text, any of which is right) and `is_impossible` (the documents do not answer it; `answers` is then empty), as
in SQuAD 2.0: Rajpurkar, Jia and Liang, "Know What You Don't Know", ACL 2018. Optional: `id`; `kind`, what
sort of question it is; `after`, the question that is asked before it in the same conversation; `forbidden`,
texts that an answer says only when it follows instructions of a document or question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docuquery_client.evaluation.records import QUESTIONS, DatasetError, fingerprint, records


@dataclass(frozen=True, slots=True)
class MarkedQuestion:
    """A question and its answers."""

    id: str
    text: str
    documents: tuple[str, ...]
    """File names; what is found elsewhere does not count."""
    answers: tuple[str, ...]
    """Spans, any of which is right; empty: the documents do not answer it."""
    after: str = ""
    """The question asked before it; empty: none."""
    kind: str = ""
    """What sort of question it is; empty: not said."""
    forbidden: tuple[str, ...] = ()
    """What no answer should say."""

    @property
    def is_answerable(self) -> bool:
        """Whether the documents answer it."""
        return bool(self.answers)


@dataclass(frozen=True, slots=True)
class AnswerDataset:
    """A whole set."""

    name: str
    """The folder's name."""
    files: tuple[Path, ...]
    """The documents, by name."""
    questions: tuple[MarkedQuestion, ...]
    """In the order of their file."""

    @property
    def questions_sha256(self) -> str:
        """Of the questions and what is expected of their answers."""
        return fingerprint(
            [each.id, each.text, each.after, each.documents, each.answers, each.forbidden]
            for each in self.questions
        )


def load_answers(folder: Path) -> AnswerDataset:
    """Reads the set in `folder`. Raises DatasetError."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder.")
    files = tuple(sorted(path for path in _documents_folder(folder).iterdir() if path.is_file()))
    names = {path.name for path in files}
    questions = tuple(
        _question(record, where, number, names)
        for number, (where, record) in enumerate(records(folder / QUESTIONS), start=1)
    )
    if not files:
        raise DatasetError(f"{folder} holds no documents.")
    if not any(question.is_answerable for question in questions):
        raise DatasetError(
            f"{folder / QUESTIONS} holds no question with an answer: there is nothing to score."
        )
    return AnswerDataset(folder.resolve().name, files, questions)


def _documents_folder(folder: Path) -> Path:
    if (folder / "documents").is_dir():
        return folder / "documents"
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]
    if len(folders) != 1:
        raise DatasetError(f"{folder} has no folder `documents`.")
    return folders[0]


def _question(record: Mapping[str, Any], where: str, number: int, names: set[str]) -> MarkedQuestion:
    text, after, kind = record.get("question"), record.get("after", ""), record.get("kind", "")
    if not isinstance(text, str) or not text.strip():
        raise DatasetError(f"{where}: `question` must be text.")
    if not isinstance(after, str) or not isinstance(kind, str):
        raise DatasetError(f"{where}: `after` and `kind` must be text.")
    forbidden = _texts(record.get("forbidden", []), "forbidden", where)
    answers = _texts(record.get("answers", []), "answers", where)
    is_impossible = record.get("is_impossible", not answers)
    if not isinstance(is_impossible, bool) or is_impossible == bool(answers):
        raise DatasetError(f"{where}: either `is_impossible` is true or `answers` holds the answers.")
    one = record.get("document")
    documents = (one,) if isinstance(one, str) else _texts(record.get("documents", []), "documents", where)
    missing = [name for name in documents if name not in names]
    if missing or (answers and not documents):
        raise DatasetError(
            f"{where}: there is no document {missing[0]!r}."
            if missing
            else f"{where}: `document` is missing."
        )
    return MarkedQuestion(str(record.get("id", number)), text, documents, answers, after, kind, forbidden)


def _texts(value: object, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise DatasetError(f"{where}: `{key}` must be a list of texts.")
    return tuple(value)
