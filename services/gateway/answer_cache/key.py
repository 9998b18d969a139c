"""What an answer depends on besides its question and the documents, as one digest.

Complete by construction: every field of the question and of the plan takes part, but for those named here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from typing import TypeAlias

from google.protobuf.message import Message

from services.gateway.fallback.candidates import Plan
from services.gateway.model import Question

IRRELEVANT = {
    "text": "compared by itself, in its self-contained form",
    "conversation_id": "only answers that owe nothing to a conversation are kept",
    "include_sources": "sources are kept in any case, and left out of the reply",
    "no_cache": "with it nothing is looked up or kept",
}
"""Fields of `Question` that take no part, and why."""

_Plain: TypeAlias = "bool | int | float | str | list[_Plain] | dict[str, _Plain] | None"


def answer_key(question: Question, plan: Plan) -> bytes:
    """SHA-256 over how the answer is to be made. Raises TypeError for a type it does not know."""
    relevant = {
        field.name: _plain(getattr(question, field.name))
        for field in fields(question)
        if field.name not in IRRELEVANT
    }
    text = json.dumps([relevant, _plain(plan)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _plain(value: object) -> _Plain:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Message):
        return [value.DESCRIPTOR.full_name, value.SerializeToString(deterministic=True).hex()]
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no place in the key of an answer yet")
