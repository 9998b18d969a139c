"""Enum names for people."""

from __future__ import annotations

from docuquery.common.v1.answer_pb2 import CitationVerdict, Outcome
from docuquery.gateway.v1.docuquery_service_pb2 import ComponentState
from docuquery_client.names import enum_name


def test_names_lose_their_enums_prefix() -> None:
    assert enum_name(Outcome, 3) == "NO_EVIDENCE"
    assert enum_name(CitationVerdict, 1) == "VERBATIM"
    assert enum_name(ComponentState, 0) == "UNSPECIFIED"
    assert enum_name(Outcome, 4711) == "4711"
