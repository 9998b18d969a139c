"""Files of a test collection, line by line, with the place of each line for messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

QUESTIONS = "questions.jsonl"
"""The file of a set's questions, where it has marked answers or pages."""


class DatasetError(Exception):
    """The folder is not a test collection. The text is for people and names the file, and the line if any."""


def records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each JSON object with its place, for messages."""
    for number, line in lines(path):
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DatasetError(f"{where}: not JSON ({error}).") from None
        if not isinstance(record, dict):
            raise DatasetError(f"{where}: must be a JSON object.")
        yield where, record


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                # A byte order mark is no part of the first line.
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
                if text.strip():
                    yield number, text
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}, line {number}: not UTF-8.") from None


def fingerprint(expected: Iterable[Sequence[object]]) -> str:
    """SHA-256 of questions and judgements, whatever their order: two runs with the same may be compared."""
    lines = sorted(json.dumps(each, ensure_ascii=False) for each in expected)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
