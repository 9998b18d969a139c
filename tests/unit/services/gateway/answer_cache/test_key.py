"""Whatever changes an answer changes its key; nothing is forgotten when a field is added."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from docuquery.common.v1.filter_pb2 import Condition, Filter
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_HYBRID
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from services.gateway.answer_cache.key import IRRELEVANT, answer_key
from services.gateway.convert import question_from_proto
from services.gateway.fallback.candidates import Candidate, Plan, make_plan
from services.gateway.model import Question
from tests.unit.services.gateway.support import candidate, plan

FIELD_OF_QUESTION = {"question": "text"}
"""Where a request's field is called otherwise in `Question`."""

REQUEST_FIELDS = list(pb.QueryRequest.DESCRIPTOR.fields)


def key(request: pb.QueryRequest, plan_: Plan | None = None, top_k: int = 5) -> bytes:
    return answer_key(question_from_proto(request, top_k), plan_ or plan("a", rung=True))


def set_to_something(message: Any, field: FieldDescriptor) -> None:
    """Gives a field of any type a value that is not its default."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        value = getattr(message, field.name)
        target = value.add() if field.is_repeated else value
        target.SetInParent()
        set_to_something(target, target.DESCRIPTOR.fields[0])
        return
    made: Any = {
        FieldDescriptor.CPPTYPE_STRING: "x",
        FieldDescriptor.CPPTYPE_BOOL: not field.default_value,
        FieldDescriptor.CPPTYPE_DOUBLE: 0.25,
        FieldDescriptor.CPPTYPE_FLOAT: 0.25,
    }.get(field.cpp_type, 3)
    if field.type == FieldDescriptor.TYPE_BYTES:
        made = b"x"
    if field.is_repeated:
        getattr(message, field.name).append(made)
    else:
        setattr(message, field.name, made)


@pytest.mark.parametrize("field", REQUEST_FIELDS, ids=lambda field: field.name)
def test_every_field_of_a_request_is_in_the_key_or_listed_as_irrelevant(field: FieldDescriptor) -> None:
    """A new field of QueryRequest fails here until it reaches `Question`, or IRRELEVANT says why not."""
    request = pb.QueryRequest(question="What?")
    before = key(request)
    set_to_something(request, field)
    if field.name == "include_sources":
        request.include_sources = False  # its default is true
    is_listed = FIELD_OF_QUESTION.get(field.name, field.name) in IRRELEVANT
    assert (key(request) == before) == is_listed


def test_what_is_listed_as_irrelevant_exists_and_has_a_reason() -> None:
    assert set(IRRELEVANT) <= {field.name for field in fields(Question)}
    assert all(IRRELEVANT.values())


def test_a_default_spelled_out_is_the_same_and_another_default_is_not() -> None:
    """The server's own settings count, too, when a request leaves something to them."""
    assert key(pb.QueryRequest(question="What?", top_k=5)) == key(pb.QueryRequest(question="What?"))
    assert key(pb.QueryRequest(question="What?"), top_k=6) != key(pb.QueryRequest(question="What?"))
    mode = pb.QueryRequest(question="What?", mode=SEARCH_MODE_HYBRID)
    assert key(mode) == key(pb.QueryRequest(question="What?"))


def test_filters_count_by_content() -> None:
    one = Filter(conditions=[Condition(field="type", exists=True)])
    other = Filter(conditions=[Condition(field="type", exists=False)])
    keys = [key(pb.QueryRequest(question="What?", filter=f)) for f in (one, other, one)]
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.parametrize("name", [field.name for field in fields(Candidate)])
def test_everything_about_a_provider_counts(name: str) -> None:
    provider = replace(candidate("a"), configuration="0")
    changed = replace(provider, **{name: 7 if name == "context_window_tokens" else "other"})
    request = pb.QueryRequest(question="What?")
    for place in (lambda c: Plan((c,), None, ()), lambda c: Plan((), c, ())):
        assert key(request, place(changed)) != key(request, place(provider))


def test_the_order_of_providers_counts() -> None:
    offered = [candidate("a"), candidate("b")]
    request = pb.QueryRequest(question="What?")
    orders = [make_plan(offered, order, "", False) for order in ((), ("b", "a"), ("a",), ("a", "c"))]
    assert len({key(request, order) for order in orders}) == 4


def test_a_field_of_unknown_type_is_refused_rather_than_left_out() -> None:
    @dataclass(frozen=True)
    class LaterQuestion(Question):
        languages: frozenset[str] = frozenset()

    with pytest.raises(TypeError, match="frozenset"):
        answer_key(LaterQuestion("What?", 5, SEARCH_MODE_HYBRID), plan("a"))
