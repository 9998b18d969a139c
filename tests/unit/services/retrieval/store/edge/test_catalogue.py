"""The catalogue answers as a walk over all records would."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.retrieval.attempts.lease import as_of
from services.retrieval.filtering.conditions import Condition, Equals, Filter, TimeRange, predicate
from services.retrieval.model import DocumentRecord, Status
from services.retrieval.store.edge.catalogue import Catalogue
from services.retrieval.store.protocol import Cursor, Totals
from tests.contract.retrieval_samples import NOW, record

STEPS = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.sampled_from(["live", "open", "failed", "live and open", "remove"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


def made(number: int, kind: str, group: int) -> DocumentRecord:
    status = Status.PROCESSING if "open" in kind else Status.FAILED if kind == "failed" else Status.INDEXED
    return record(
        number,
        live="live" in kind,
        status=status,
        chunks=number,
        metadata={"group": group},
        language=("", "de", "fr")[group],
    )


@settings(deadline=None)
@given(STEPS, st.integers(0, 400))
def test_after_any_changes_it_agrees_with_its_records(steps: list[tuple[int, str, int]], late: int) -> None:
    catalogue = Catalogue()
    model: dict[str, DocumentRecord] = {}
    for number, kind, group in steps:
        item = made(number, kind, group)
        if kind == "remove":
            catalogue.remove(item.document_id)
            model.pop(item.document_id, None)
        else:
            catalogue.put(item)
            model[item.document_id] = item
        for wanted_group in (0, 1):  # asked after each step, so that a stale answer would be found
            wanted = Filter((Condition("metadata.group", Equals(wanted_group)),))
            passes = predicate(wanted)
            live = [r.live for r in model.values() if r.live and passes(r)]
            found = catalogue.select(wanted)
            assert found.attempt_ids == {version.attempt_id for version in live}
            assert found.chunk_count == sum(version.chunk_count for version in live)
    records = list(model.values())
    live_ids = {r.live.attempt_id: r for r in records if r.live}
    assert catalogue.live([*live_ids, "unknown"]) == live_ids
    assert len(catalogue) == len(records)
    assert {r.document_id for r in catalogue.open_attempts()} == {
        r.document_id for r in records if r.attempt.is_open
    }
    assert catalogue.referenced_attempts() == {
        *live_ids,
        *(r.attempt.attempt_id for r in records if r.attempt.is_open),
    }
    assert all(catalogue.is_referenced(attempt_id) for attempt_id in catalogue.referenced_attempts())
    assert not catalogue.is_referenced("unknown")
    now = NOW + timedelta(seconds=late)
    seen = [as_of(r, now) for r in records]
    assert catalogue.totals(now) == Totals(
        indexed_documents=sum(r.live is not None for r in seen),
        processing_documents=sum(r.status is Status.PROCESSING for r in seen),
        failed_documents=sum(r.status is Status.FAILED for r in seen),
        chunks=sum(r.live.chunk_count for r in seen if r.live),
        characters=sum(r.live.character_count for r in seen if r.live),
        size_bytes=sum(r.description.size_bytes for r in seen if r.live),
    )
    assert catalogue.text_block_count == len(live_ids)
    languages = [
        r.live.language for r in records for _ in range(r.live.chunk_count if r.live else 0) if r.live
    ]
    assert catalogue.languages == {code: languages.count(code) for code in languages}
    newest_first = sorted(records, key=lambda r: (r.create_time, r.document_id), reverse=True)
    assert catalogue.after(None, 100) == newest_first
    for position, item in enumerate(newest_first):
        cursor = Cursor(round(item.create_time.timestamp() * 1_000_000), item.document_id)
        assert catalogue.after(cursor, 2) == newest_first[position + 1 : position + 3]


def test_a_selection_follows_a_record_that_changes_while_its_version_stays() -> None:
    item = record(1)
    catalogue = Catalogue([item])
    late = Filter((Condition("update_time", TimeRange(NOW + timedelta(hours=1))),))
    assert not catalogue.select(late).attempt_ids
    catalogue.put(replace(item, update_time=NOW + timedelta(hours=2)))
    assert catalogue.select(late).attempt_ids == {item.attempt.attempt_id}


def test_a_record_made_anew_moves_to_its_new_place() -> None:
    first, second = record(1), record(2)
    catalogue = Catalogue([first, second])
    again = replace(first, create_time=NOW + timedelta(days=1))
    catalogue.put(again)
    assert catalogue.after(None, 5) == [again, second]
