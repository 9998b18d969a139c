"""Filters through the public API: every test, on metadata and built-in fields, in listings and searches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import ListValue, Value

from docuquery.common.v1.filter_pb2 import Condition, Filter, NumberRange, TimeRange
from docuquery_client import ApiError, AsyncDocuQuery, where
from tests.contract.store_targets import Targets
from tests.e2e.support import running_system

DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "plan.md": (
        "# Plan\n\nThe lighthouse is painted white in May, before the first ferries of the summer arrive.",
        {"team": "works", "year": 2023, "cost": 1250.5, "due": "2024-05-01", "tags": ["paint", "sea"]},
    ),
    "rota.md": (
        "# Rota\n\nThe keeper of the lighthouse changes on Mondays, and writes the log before noon.",
        {"team": "crew", "year": 2024, "cost": 80, "due": "2024-11-30T12:00:00+01:00", "on_call": True},
    ),
    "dienst.txt": (
        "Der Leuchtturm wird im Mai gestrichen, bevor die ersten Fähren des Sommers ankommen. Die Wärter "
        "wechseln am Montag und schreiben vorher das Logbuch.",
        {"team": "crew", "year": 2025, "nested": {"deep": {"er": "x"}}, "note": ""},
    ),
}


def condition(field: str, negate: bool = False, **test: Any) -> Filter:
    if "equals" in test:
        value = test["equals"]
        kind = (
            "bool_value"
            if isinstance(value, bool)
            else "string_value"
            if isinstance(value, str)
            else "number_value"
        )
        test = {"equals": Value(**{kind: value})}
    if "any_of" in test:
        values = ListValue()
        values.extend(test["any_of"])
        test = {"any_of": values}
    return Filter(conditions=[Condition(field=field, negate=negate, **test)])


def number(**bounds: float) -> dict[str, Any]:
    return {"number": NumberRange(**bounds)}


def time(start: datetime | None = None, end: datetime | None = None) -> dict[str, Any]:
    bounds = TimeRange()
    if start:
        bounds.start.FromDatetime(start)
    if end:
        bounds.end.FromDatetime(end)
    return {"time": bounds}


PLAN, ROTA, DIENST = DOCUMENTS
AUTUMN = datetime(2024, 9, 1, tzinfo=UTC)
CASES: list[tuple[Filter, set[str]]] = [
    (Filter(), {PLAN, ROTA, DIENST}),
    (condition("metadata.team", equals="crew"), {ROTA, DIENST}),
    (condition("metadata.team", equals="crew", negate=True), {PLAN}),
    (condition("metadata.on_call", equals=True), {ROTA}),
    (condition("metadata.year", any_of=[2023, 2025]), {PLAN, DIENST}),
    (condition("metadata.tags", equals="sea"), {PLAN}),
    (condition("metadata.nested.deep.er", equals="x"), {DIENST}),
    (condition("metadata.year", **number(gt=2023)), {ROTA, DIENST}),
    (condition("metadata.year", **number(gte=2023, lt=2025)), {PLAN, ROTA}),
    (condition("metadata.cost", **number(lte=1250.5)), {PLAN, ROTA}),
    (condition("metadata.cost", negate=True, **number(lte=1250.5)), {DIENST}),
    (condition("metadata.due", **time(start=AUTUMN)), {ROTA}),
    (condition("metadata.due", **time(end=AUTUMN)), {PLAN}),
    (condition("metadata.due", negate=True, **time(end=AUTUMN)), {ROTA, DIENST}),
    (condition("metadata.due", exists=True), {PLAN, ROTA}),
    (condition("metadata.note", exists=False), {PLAN, ROTA, DIENST}),
    (condition("metadata.none", exists=True), set()),
    (condition("source", equals=PLAN), {PLAN}),
    (condition("filename", any_of=[PLAN, DIENST]), {PLAN, DIENST}),
    (condition("type", equals="markdown"), {PLAN, ROTA}),
    (condition("type", equals="markdown", negate=True), {DIENST}),
    (condition("title", equals="Rota"), {ROTA}),
    (condition("title", exists=False), {DIENST}),
    (condition("language", equals="de"), {DIENST}),
    (condition("language", any_of=["English", "fr"]), {PLAN, ROTA}),
    (condition("size_bytes", **number(gt=0)), {PLAN, ROTA, DIENST}),
    (condition("size_bytes", **number(gt=10_000)), set()),
    (condition("page_count", exists=False), {PLAN, ROTA, DIENST}),
    (condition("create_time", **time(start=datetime.now(UTC) - timedelta(days=1))), {PLAN, ROTA, DIENST}),
    (condition("update_time", **time(start=datetime.now(UTC) + timedelta(days=1))), set()),
    (where(team="crew", year=2024), {ROTA}),
]


@pytest.fixture(params=["edge", pytest.param("server", marks=pytest.mark.slow)])
async def client(
    request: pytest.FixtureRequest, targets: Targets, tmp_path: Path
) -> AsyncIterator[AsyncDocuQuery]:
    """The documents, indexed; on a server with one of the fields declared, and one not."""
    environment = {"FILTER_FIELDS": "year:number,due:time"}
    if request.param == "server":
        environment |= {
            "VECTOR_STORE": "qdrant",
            "QDRANT_URL": targets.servers("server").url,
            "QDRANT_COLLECTION": "filters",
        }
    async with running_system(tmp_path, **environment) as system:
        for name, (text, metadata) in DOCUMENTS.items():
            await system.client.upload_document(name, text.encode(), metadata=metadata)
        yield system.client


async def test_a_filter_keeps_the_same_documents_in_a_listing_and_in_a_search(client: AsyncDocuQuery) -> None:
    for wanted, expected in CASES:
        listed = {document.source async for document in client.documents(filter=wanted)}
        assert listed == expected, wanted
        found = {passage.source for passage in (await client.search("lighthouse", filter=wanted)).passages}
        assert found == expected, wanted


async def test_an_answer_uses_documents_that_pass_only_and_sees_new_metadata_at_once(
    client: AsyncDocuQuery,
) -> None:
    question = "When does the keeper of the lighthouse change?"
    assert {
        s.source for s in (await client.ask(question, filter=where(team="crew", language="en"))).sources
    } == {ROTA}
    text, metadata = DOCUMENTS[ROTA]
    await client.upload_document(ROTA, text.encode(), metadata=metadata | {"team": "office", "year": 1999})
    assert not (await client.ask(question, filter=where(team="crew", language="en"))).sources
    early = condition("metadata.year", **number(lt=2000))
    assert {s.source for s in (await client.ask(question, filter=early)).sources} == {ROTA}


async def test_a_filter_that_cannot_be_meant_says_what_is_wrong(client: AsyncDocuQuery) -> None:
    faults = {
        "field": condition("team", equals="crew"),
        "equals": condition("type", equals="spreadsheet"),
        "number": condition("filename", **number(gt=1)),
        "any_of[0]": condition("language", any_of=["deutsch"]),
        "time": condition("metadata.due", **time()),
    }
    for place, wanted in faults.items():
        for call in (
            client.search("x", filter=wanted),
            client.ask("x", filter=wanted),
            client.list_documents(filter=wanted),
        ):
            with pytest.raises(ApiError) as caught:
                await call
            assert caught.value.reason == "INVALID_REQUEST"
            (violation,) = caught.value.violations
            assert violation.field == f"filter.conditions[0].{place}"
            assert len(violation.description) > 10
