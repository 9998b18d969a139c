"""The layout of a set of questions with marked answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docuquery_client.evaluation.records import DatasetError
from docuquery_client.evaluation.squad import load_answers

FERRY = {
    "id": "1",
    "question": "When?",
    "document": "ferry.txt",
    "answers": ["22:40"],
    "is_impossible": False,
}


def folder_of(path: Path, *lines: Any, documents: str = "documents") -> Path:
    (path / documents).mkdir()
    (path / documents / "ferry.txt").write_text("It leaves at 22:40.")
    (path / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_questions_and_documents_are_read(tmp_path: Path) -> None:
    impossible = {"question": "Who?", "document": "ferry.txt", "answers": [], "is_impossible": True}
    dataset = load_answers(folder_of(tmp_path, FERRY, impossible))
    assert [file.name for file in dataset.files] == ["ferry.txt"]
    first, second = dataset.questions
    assert (first.id, first.text, first.documents, first.answers) == (
        "1",
        "When?",
        ("ferry.txt",),
        ("22:40",),
    )
    assert (first.is_answerable, second.is_answerable, second.id) == (True, False, "2")


def test_the_only_folder_holds_the_documents_and_several_may_answer(tmp_path: Path) -> None:
    several = {"question": "And then?", "documents": ["ferry.txt"], "answers": ["22:40"], "after": "When?"}
    dataset = load_answers(folder_of(tmp_path, several, documents="handbook"))
    assert (dataset.questions[0].documents, dataset.questions[0].after) == (("ferry.txt",), "When?")


def test_a_question_says_its_kind_and_what_no_answer_should_say(tmp_path: Path) -> None:
    dataset = load_answers(
        folder_of(tmp_path, {**FERRY, "kind": "adversarial", "forbidden": ["AHOY"]}, FERRY)
    )
    assert [(each.kind, each.forbidden) for each in dataset.questions] == [
        ("adversarial", ("AHOY",)),
        ("", ()),
    ]


def test_the_fingerprint_changes_with_what_is_expected(tmp_path: Path) -> None:
    sums = []
    for number, line in enumerate((FERRY, {**FERRY, "kind": "date"}, {**FERRY, "answers": ["at 22:40"]})):
        (tmp_path / str(number)).mkdir()
        sums.append(load_answers(folder_of(tmp_path / str(number), line)).questions_sha256)
    assert sums[0] == sums[1] != sums[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({**FERRY, "question": " "}, "line 1: `question`"),
        ({**FERRY, "answers": "22:40"}, "line 1: `answers`"),
        ({**FERRY, "is_impossible": True}, "line 1: either"),
        ({**FERRY, "answers": [], "is_impossible": False}, "line 1: either"),
        ({**FERRY, "document": "train.txt"}, "no document 'train.txt'"),
        ({"question": "When?", "answers": ["22:40"]}, "`document` is missing"),
        ({**FERRY, "after": 3}, "line 1: `after`"),
        ({**FERRY, "kind": 3}, "line 1: `after` and `kind`"),
        ({**FERRY, "forbidden": "AHOY"}, "line 1: `forbidden`"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_answers(folder_of(tmp_path, line))


def test_a_set_without_any_answer_cannot_be_scored(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing to score"):
        load_answers(folder_of(tmp_path))
