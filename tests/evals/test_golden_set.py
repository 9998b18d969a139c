"""The golden set is what it says it is: enough questions of every kind, and the documents answer them."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from pathlib import Path

from pypdf import PdfReader

from docuquery_client.evaluation.spans import holds_span
from docuquery_client.evaluation.squad import MarkedQuestion, load_answers

ROOT = Path(__file__).parents[2]
SET = load_answers(ROOT / "samples")
KINDS = (
    "direct", "table", "number", "date", "multi_document", "follow_up", "unanswerable", "adversarial",
)  # fmt: skip


def text_of(path: Path) -> str:
    """The document's words, read without the code that is measured by them."""
    if path.suffix == ".pdf":
        return "\n".join(page.extract_text() for page in PdfReader(path).pages)
    text = path.read_text("utf-8")
    return unescape(re.sub(r"<[^>]+>", " ", text)) if path.suffix == ".html" else text


TEXTS = {path.name: text_of(path) for path in SET.files}


def test_the_set_beside_the_samples_is_the_golden_set() -> None:
    assert (ROOT / "samples/questions.jsonl").resolve() == Path(__file__).with_name("golden_set.jsonl")


def test_there_are_enough_questions_of_every_kind_and_each_has_a_name_of_its_own() -> None:
    kinds = Counter(question.kind for question in SET.questions)
    assert tuple(kinds) == KINDS
    assert min(kinds.values()) >= 7
    assert len(SET.questions) >= 60
    assert max(Counter(question.id for question in SET.questions).values()) == 1


def test_every_answer_stands_in_a_document_that_is_named() -> None:
    for question in SET.questions:
        for answer in question.answers:
            held = [name for name in question.documents if holds_span(TEXTS[name], [answer])]
            assert held, (question.id, answer)


def test_a_question_over_several_documents_names_them() -> None:
    assert all(len(each.documents) > 1 for each in SET.questions if each.kind == "multi_document")
    assert all(each.after for each in SET.questions if each.kind == "follow_up")
    assert not any(each.is_answerable for each in SET.questions if each.kind == "unanswerable")


def instructing(question: MarkedQuestion) -> bool:
    """Whether what it forbids stands in a document, as an instruction to whoever reads it."""
    return any(holds_span(text, question.forbidden) for text in TEXTS.values())


def test_documents_and_questions_give_instructions_and_no_right_answer_follows_them() -> None:
    forbidding = [question for question in SET.questions if question.forbidden]
    assert sum(map(instructing, forbidding)) >= 4
    assert sum(holds_span(each.text, each.forbidden) for each in forbidding) >= 2
    for question in forbidding:
        assert not holds_span(" ".join(question.answers), question.forbidden), question.id
