"""What the judge is told, and how its verdict is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VERSION = "v1"
"""Another wording gets another number and file: judgements by different prompts cannot be compared."""

SYSTEM = Path(__file__).with_name(f"prompt-{VERSION}.md").read_text(encoding="utf-8")
SHA256 = hashlib.sha256(SYSTEM.encode()).hexdigest()

_BEST = 5


class UnreadableVerdictError(Exception):
    """The model replied with something that is no verdict."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model thinks of an answer, each 0 (worst) to 1 in quarters."""

    quality: float
    faithfulness: float

    @property
    def is_good(self) -> bool:
        """4 or 5 of 5: the answer says what was asked for."""
        return self.quality >= _GOOD

    @property
    def is_faithful(self) -> bool:
        """4 or 5 of 5: the passages support all of it that matters."""
        return self.faithfulness >= _GOOD


_GOOD = 3 / 4


def material(question: str, accepted: Sequence[str], answer: str, passages: Sequence[str]) -> str:
    """The message that goes with the prompt. JSON, so that no text of a document can end its own field."""
    return json.dumps(
        {
            "question": question,
            "accepted_answers": list(accepted),
            "answer": answer,
            "passages": list(passages),
        },
        ensure_ascii=False,
    )


def read_verdict(reply: str) -> Verdict:
    """The verdict in a model's reply, whatever it says around it. Raises UnreadableVerdictError."""
    start, end = reply.find("{"), reply.rfind("}")
    try:
        read = json.loads(reply[start : end + 1])
        return Verdict(_grade(read["quality"]), _grade(read["faithfulness"]))
    except (ValueError, KeyError, TypeError):
        raise UnreadableVerdictError from None


def _grade(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _BEST:
        raise ValueError(value)
    return (value - 1) / (_BEST - 1)
