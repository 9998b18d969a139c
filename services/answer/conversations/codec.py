"""A turn as it is kept outside this process: one JSON object, in UTF-8."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from docuquery.common.v1 import answer_pb2
from services.answer.model import Outcome, Turn


def encode(turn: Turn) -> bytes:
    """The turn as JSON. Unpaired surrogates, which no UTF-8 holds, become question marks."""
    document = {
        "query_id": turn.query_id,
        "question": turn.question,
        "answer": turn.answer,
        "outcome": answer_pb2.Outcome.Name(turn.outcome.value),
        "time": turn.time.isoformat(),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(data: bytes) -> Turn:
    """The turn `encode` wrote. Raises ValueError for anything else."""
    try:
        document = json.loads(data)
        return Turn(
            query_id=_text(document["query_id"]),
            question=_text(document["question"]),
            answer=_text(document["answer"]),
            outcome=Outcome(answer_pb2.Outcome.Value(document["outcome"])),
            time=datetime.fromisoformat(document["time"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a turn of a conversation: {type(error).__name__}") from None


def fit(turn: Turn, max_bytes: int) -> Turn:
    """The turn, its answer cut so that `encode` gives at most `max_bytes`, as far as that helps."""
    room = max_bytes - len(encode(replace(turn, answer="")))
    while len(encode(turn)) > max_bytes and turn.answer:
        cut = turn.answer.encode("utf-8", "replace")[: max(room, 0)].decode("utf-8", "ignore")
        turn = replace(turn, answer=cut)
        room //= 2  # a character may take several bytes in JSON
    return turn


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
