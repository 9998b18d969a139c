"""Tenant folders survive crashes while they are made, and names never meet or leave the root."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from libs.errors import DocuQueryError
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.edge.tenant import EdgeTenants, engine_errors
from services.retrieval.store.spaces import FIRST_PLACE, KeptSpace, VectorSpace
from tests.contract.retrieval_samples import record

SPACE = VectorSpace("test", 4, "test")
SPACES = [KeptSpace(SPACE, FIRST_PLACE)]


def test_names_become_folders_below_the_root_that_never_meet(tmp_path: Path) -> None:
    tenants = EdgeTenants(tmp_path, SPACES)
    names = ["acme", "ACME", "a.b", "a_b", "..", "../x", "a/b", "ü", "x" * 300, ""]
    for name in names:
        tenants.find_or_create(name)
    folders = [tenant.folder for tenant in tenants.opened]
    assert len({str(folder).lower() for folder in folders}) == len(names)
    assert all(folder.parent == tmp_path and folder.name.isascii() for folder in folders)
    tenants.close()


def test_a_tenant_half_made_at_a_crash_is_made_again(tmp_path: Path) -> None:
    tenants = EdgeTenants(tmp_path, SPACES)
    folder = tenants.find_or_create("acme").folder
    tenants.close()
    folder.rename(folder.with_name(folder.name + ".partial"))
    (folder.with_name(folder.name + ".partial") / "tenant.json").unlink()
    again = EdgeTenants(tmp_path, SPACES)
    assert again.find("acme") is None
    assert again.find_or_create("acme").folder == folder
    again.close()


def test_looking_for_a_tenant_does_not_make_it(tmp_path: Path) -> None:
    tenants = EdgeTenants(tmp_path, SPACES)
    assert tenants.find("acme") is None
    assert list(tmp_path.iterdir()) == []
    assert tenants.opened == ()


def test_an_engine_failure_reaches_the_caller_without_its_text() -> None:
    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(DocuQueryError) as caught,
        engine_errors("probe"),
    ):
        raise Exception("segment 7 of /secret/path is broken")
    assert caught.value.reason_name == "STORE_UNAVAILABLE"
    assert "secret" not in caught.value.message
    assert logs[0]["operation"] == "probe"
    with pytest.raises(ValueError, match="our own fault"), engine_errors("probe"):
        raise ValueError("our own fault")


def test_a_damaged_tenant_is_refused_as_unavailable(tmp_path: Path) -> None:
    tenants = EdgeTenants(tmp_path, SPACES)
    folder = tenants.find_or_create("acme").folder
    tenants.close()
    (folder / "chunks" / "edge_config.json").write_text("not json")
    with pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
        EdgeTenants(tmp_path, SPACES).find("acme")


def test_a_space_is_added_to_tenants_that_are_older_and_taken_from_all(tmp_path: Path) -> None:
    """One that was half made at a crash is made again; one that should be there is not made up."""
    tenants = EdgeTenants(tmp_path, SPACES)
    folder = tenants.find_or_create("acme").folder
    tenants.close()
    wanted = VectorSpace("other", 8, "test")
    begun = KeptSpace(wanted, wanted.place, is_whole=False)
    (folder / f"{wanted.place}.partial").mkdir()
    both = EdgeTenants(tmp_path, [*SPACES, begun])
    for name in ("acme", "newer"):
        assert both.find_or_create(name).spaces.keys() == {FIRST_PLACE, wanted.place}
    assert both.are_all_opened
    for _ in both.drop_space(FIRST_PLACE):
        pass
    assert {path.name for path in folder.iterdir()} == {"documents", "tenant.json", wanted.place}
    both.close()
    with pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
        EdgeTenants(tmp_path, SPACES).find("acme")


def test_a_closed_tenant_is_not_sure_to_be_settled_while_there_are_two_spaces(tmp_path: Path) -> None:
    tenants = EdgeTenants(tmp_path, SPACES)
    tenants.find_or_create("acme")
    tenants.close()
    assert EdgeTenants(tmp_path, SPACES).unsettled() == []
    begun = KeptSpace(VectorSpace("other", 8, "test"), "chunks-0123abcd", is_whole=False)
    both = EdgeTenants(tmp_path, [*SPACES, begun])
    assert both.unsettled() == ["acme"]
    assert not both.are_all_opened


async def test_a_tenant_that_outgrows_the_engine_is_warned_of_once_a_process(tmp_path: Path) -> None:
    def warnings(logs: list[MutableMapping[str, Any]]) -> list[tuple[str, int]]:
        return [(e["large_tenant"], e["chunks"]) for e in logs if e["event"] == "tenant_outgrows_edge"]

    with structlog.testing.capture_logs() as logs:
        async with open_edge(tmp_path, SPACE, warn_chunks=10) as stores:
            await stores.records.put("acme", record(1, chunks=10), expected_revision=None)
            assert warnings(logs) == []
            for number in (2, 3):
                await stores.records.put("acme", record(number, chunks=1), expected_revision=None)
            await stores.records.put("small", record(1, chunks=1), expected_revision=None)
    assert warnings(logs) == [("acme", 11)]
    with structlog.testing.capture_logs() as logs:
        async with open_edge(tmp_path, SPACE, warn_chunks=10) as stores:
            await stores.records.get("acme", record(1).document_id)
        async with open_edge(tmp_path, SPACE) as stores:
            await stores.records.get("acme", record(1).document_id)
    assert warnings(logs) == [("acme", 12)]
