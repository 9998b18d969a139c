"""The rules of public requests: every fault, by field, at once."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from docuquery.common.v1.filter_pb2 import Condition, Filter, NumberRange, TimeRange
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from libs.errors import DocuQueryError
from services.gateway.validation.requests import Rules

RULES = Rules(question_max_characters=100, unary_upload_max_bytes=1000)
ID = "2f1c9a4e-0b7d-5c3e-9a1f-6d2b8e4c7a90"


def fields(method: str, request: Any) -> list[str]:
    """The fields at fault, in order; empty when the request is valid."""
    try:
        getattr(RULES, method)(request)
    except DocuQueryError as error:
        names, reason = [violation.field for violation in error.violations], error.reason_name
        sentences = [violation.description for violation in error.violations]
    else:
        return []
    if reason != "INVALID_REQUEST" or not all(s.endswith((".", ";")) for s in sentences):
        raise AssertionError((reason, sentences))
    return names


def query(**changes: Any) -> pb.QueryRequest:
    return pb.QueryRequest(**{"question": "What is it?", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"question": " " * 500 + "x" * 100},
        {"question": "世" * 100},
        {"top_k": 1},
        {"top_k": 20},
        {"score_threshold": 0.0},
        {"score_threshold": 1.0},
        {"conversation_id": "a.B_9:-"},
        {"provider": "openai", "prompt_version": "v2"},
        {"mode": 3},
        {"rerank": False, "max_per_document": 20, "expand_chunks": 3},
    ],
)
def test_valid_queries_pass(changes: dict[str, Any]) -> None:
    assert fields("query", query(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"question": ""}, "question"),
        ({"question": " \t\n "}, "question"),
        ({"question": "\x00\x01"}, "question"),
        ({"question": "x" * 101}, "question"),
        ({"question": "x" + "\u200b" * 1600}, "question"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 21}, "top_k"),
        ({"top_k": -1}, "top_k"),
        ({"score_threshold": -0.1}, "score_threshold"),
        ({"score_threshold": 1.1}, "score_threshold"),
        ({"score_threshold": float("nan")}, "score_threshold"),
        ({"score_threshold": float("inf")}, "score_threshold"),
        ({"conversation_id": "a b"}, "conversation_id"),
        ({"conversation_id": "x" * 129}, "conversation_id"),
        ({"conversation_id": "abc\n"}, "conversation_id"),
        ({"mode": 9}, "mode"),
        ({"max_per_document": -1}, "max_per_document"),
        ({"max_per_document": 21}, "max_per_document"),
        ({"expand_chunks": -1}, "expand_chunks"),
        ({"expand_chunks": 4}, "expand_chunks"),
        ({"provider": "a b"}, "provider"),
        ({"prompt_version": "é"}, "prompt_version"),
    ],
)
def test_each_rule_of_a_query_names_its_field(changes: dict[str, Any], field: str) -> None:
    assert fields("query", query(**changes)) == [field]


def test_all_faults_come_at_once() -> None:
    bad = query(question="", top_k=0, mode=9, score_threshold=2.0, conversation_id="?", provider="?")
    assert fields("query", bad) == [
        "question",
        "conversation_id",
        "top_k",
        "mode",
        "score_threshold",
        "provider",
    ]


def test_a_streamed_query_names_the_path() -> None:
    assert fields("stream_query", pb.StreamQueryRequest()) == ["query.question"]
    bad = pb.StreamQueryRequest(query=query(top_k=0, filter=Filter(conditions=[Condition(field="type")])))
    assert fields("stream_query", bad) == ["query.top_k", "query.filter.conditions[0]"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"limit": 1}, []),
        ({"limit": 200}, []),
        ({"limit": 0}, ["limit"]),
        ({"limit": 201}, ["limit"]),
        ({"rerank": True, "max_per_document": 200, "expand_chunks": 3}, []),
        ({"max_per_document": -1, "expand_chunks": -1}, ["max_per_document", "expand_chunks"]),
        ({"max_per_document": 201, "expand_chunks": 4}, ["max_per_document", "expand_chunks"]),
        ({"query": " "}, ["query"]),
    ],
)
def test_rules_of_a_search(changes: dict[str, Any], expected: list[str]) -> None:
    assert fields("search", pb.SearchRequest(**{"query": "sick leave", **changes})) == expected


@pytest.mark.parametrize("bad", ["", "x", ID[:-1], ID + "0", ID.replace("-", ""), "{" + ID + "}", ID + "\n"])
def test_an_id_must_be_a_uuid(bad: str) -> None:
    assert fields("document_id", pb.GetDocumentRequest(document_id=bad)) == ["document_id"]
    assert fields("document_id", pb.DeleteDocumentRequest(document_id=bad)) == ["document_id"]


def test_a_uuid_in_either_case_passes() -> None:
    assert fields("document_id", pb.GetDocumentRequest(document_id=ID)) == []
    assert fields("document_id", pb.GetDocumentRequest(document_id=ID.upper())) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"page_size": 200, "statuses": [1, 4], "types": [4]}, []),
        ({"page_size": -1}, ["page_size"]),
        ({"page_size": 201}, ["page_size"]),
        ({"statuses": [3, 77], "types": [88]}, ["statuses[1]", "types[0]"]),
        ({"statuses": [1] * 100, "types": [1] * 100}, []),
        ({"statuses": [1] * 101, "types": [99] * 1000}, ["statuses", "types"]),
    ],
)
def test_rules_of_a_listing(changes: dict[str, Any], expected: list[str]) -> None:
    assert fields("list_documents", pb.ListDocumentsRequest(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"context_characters": 0}, []),
        ({"context_characters": 5001}, ["context_characters"]),
        ({"char_start": -1}, ["char_start"]),
        ({"char_start": 9}, ["char_end"]),
        ({"document_id": "x", "version": "v" * 200}, ["document_id", "version"]),
    ],
)
def test_rules_of_a_passage(changes: dict[str, Any], expected: list[str]) -> None:
    good = {"document_id": ID, "char_start": 0, "char_end": 9}
    assert fields("get_passage", pb.GetPassageRequest(**{**good, **changes})) == expected


def test_a_conversation_must_be_named() -> None:
    assert fields("conversation_id", pb.GetConversationRequest(conversation_id="c1")) == []
    assert fields("conversation_id", pb.GetConversationRequest()) == ["conversation_id"]
    assert fields("conversation_id", pb.DeleteConversationRequest(conversation_id="a/b")) == [
        "conversation_id"
    ]


def test_an_override_names_a_target_and_a_wish() -> None:
    assert fields("override_breaker", admin.OverrideBreakerRequest(target="service:answer", override=1)) == []
    assert fields("override_breaker", admin.OverrideBreakerRequest()) == ["target", "override"]
    assert fields("override_breaker", admin.OverrideBreakerRequest(target="x", override=9)) == ["override"]


@pytest.mark.parametrize(
    ("override", "seconds", "nanos", "valid"),
    [
        (admin.BREAKER_OVERRIDE_FORCE_OPEN, 0, 1, True),
        (admin.BREAKER_OVERRIDE_FORCE_CLOSED, 30 * 86_400, 0, True),
        (admin.BREAKER_OVERRIDE_FORCE_OPEN, 30 * 86_400, 1_000, False),
        (admin.BREAKER_OVERRIDE_FORCE_OPEN, 0, 0, False),
        (admin.BREAKER_OVERRIDE_FORCE_OPEN, -1, 0, False),
        (admin.BREAKER_OVERRIDE_FORCE_OPEN, 2**62, 0, False),
        (admin.BREAKER_OVERRIDE_AUTOMATIC, 60, 0, False),
    ],
)
def test_an_override_may_last_up_to_30_days(
    override: admin.BreakerOverride.ValueType, seconds: int, nanos: int, valid: bool
) -> None:
    duration = Duration(seconds=seconds, nanos=nanos)
    request = admin.OverrideBreakerRequest(target="x", override=override, duration=duration)
    assert fields("override_breaker", request) == ([] if valid else ["duration"])


def upload(**changes: Any) -> pb.UploadDocumentRequest:
    return pb.UploadDocumentRequest(**{"filename": "a.txt", "content": b"x", **changes})


def numbers(count: int) -> Value:
    return Value(list_value=ListValue(values=[Value(number_value=1)] * count))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"filename": "  "}, ["filename"]),
        ({"filename": "x" * 256}, ["filename"]),
        ({"source": "x" * 1025}, ["source"]),
        ({"type": 99, "if_exists": 99}, ["type", "if_exists"]),
        ({"language": "pt-BR"}, []),
        ({"language": "German"}, []),
        ({"language": "deutsch"}, ["language"]),
        ({"metadata": Struct(fields={"k": Value(string_value="x" * 16_000)})}, []),
        ({"metadata": Struct(fields={"k": Value(string_value="x" * 17_000)})}, ["metadata"]),
        ({"metadata": Struct(fields={"k": numbers(3200)})}, []),
        ({"metadata": Struct(fields={"k": numbers(1_000_000)})}, ["metadata"]),
        ({"metadata": Struct(fields={"k": Value(number_value=float("nan"))})}, ["metadata"]),
    ],
)
def test_rules_of_an_upload(changes: dict[str, Any], expected: list[str]) -> None:
    assert fields("upload_document", upload(**changes)) == expected


def test_too_large_an_upload_is_told_the_way() -> None:
    RULES.upload_document(upload(content=b"x" * 1000))
    with pytest.raises(DocuQueryError) as error:
        RULES.upload_document(upload(content=b"x" * 1001))
    assert error.value.reason_name == "MESSAGE_TOO_LARGE"
    assert error.value.metadata == {"limit_bytes": "1000"}
    assert "UploadDocuments" in error.value.message


def condition(**test: Any) -> Condition:
    return Condition(**{"field": "metadata.team", **test})


def text(value: str) -> Value:
    return Value(string_value=value)


@pytest.mark.parametrize(
    "test",
    [
        {"equals": text("hr")},
        {"equals": Value(bool_value=True)},
        {"any_of": ListValue(values=[text("hr")] * 100)},
        {"number": NumberRange(lt=3)},
        {"time": TimeRange(start={"seconds": 1})},
        {"exists": False},
    ],
)
def test_valid_conditions_pass(test: dict[str, Any]) -> None:
    request = query(filter=Filter(conditions=[condition(**test)] * 16))
    assert fields("query", request) == []


@pytest.mark.parametrize(
    ("test", "where"),
    [
        ({}, ""),
        ({"field": "", "exists": True}, ".field"),
        ({"field": "x" * 257, "exists": True}, ".field"),
        ({"equals": Value(null_value=0)}, ".equals"),
        ({"equals": Value()}, ".equals"),
        ({"equals": Value(list_value=ListValue())}, ".equals"),
        ({"any_of": ListValue()}, ".any_of"),
        ({"any_of": ListValue(values=[text("x")] * 101)}, ".any_of"),
        ({"number": NumberRange()}, ".number"),
        ({"time": TimeRange()}, ".time"),
    ],
)
def test_each_rule_of_a_condition_names_its_place(test: dict[str, Any], where: str) -> None:
    request = query(filter=Filter(conditions=[condition(exists=True), condition(**test)]))
    assert fields("query", request) == [f"filter.conditions[1]{where}"]


def test_too_many_conditions_are_one_fault() -> None:
    request = query(filter=Filter(conditions=[condition()] * 17))
    found = fields("query", request)
    assert found[0] == "filter.conditions"
    assert len(found) == 17
