"""`docuquery admin` on the store of a running system: refused while it runs, done between two runs."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from docuquery.common.v1.passage_pb2 import Passage, SearchMode
from docuquery_client import AsyncDocuQuery
from tests.e2e.support import SAMPLES, ingest_all, running_system

QUESTION = "What are the core hours?"


async def admin(folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    """Runs the command on the store in `folder`; its exit code, and all it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "docuquery_client.cli", "admin", *arguments),
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "DATA_DIR": str(folder / "retrieval"),
            **env,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def found(client: AsyncDocuQuery, mode: SearchMode.ValueType) -> list[Passage]:
    """What a search of the system answers."""
    return list((await client.search(QUESTION, limit=5, mode=mode)).passages)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_store_is_backed_up_reindexed_compacted_and_restored_between_two_runs(tmp_path: Path) -> None:
    """Searches answer the same after all of it, and a document deleted since is back after the restore."""
    data, elsewhere, file = tmp_path / "data", tmp_path / "elsewhere", str(tmp_path / "store.tar.gz")
    data.mkdir()
    elsewhere.mkdir()
    dense = SearchMode.SEARCH_MODE_DENSE
    async with running_system(data) as system:
        ids = await ingest_all(system.client, SAMPLES)
        before = await found(system.client, dense)
        for command in (["backup", file], ["reindex"]):
            code, said = await admin(data, *command)
            assert (code, "Another process holds" in said) == (1, True), said

    code, said = await admin(data, "backup", file)  # the refused one left no file behind
    assert code == 0, said
    code, said = await admin(data, "reindex", BM25_LANGUAGE="german")
    assert (code, "Switched over" in said) == (0, True), said

    async with running_system(
        data, BM25_LANGUAGE="german", RETRIEVAL_COMPACT_ON_START="true", EDGE_WARN_CHUNKS="1"
    ) as system:
        assert await found(system.client, dense) == before
        assert await found(system.client, SearchMode.SEARCH_MODE_SPARSE)
        events = {line["event"]: line for line in system.log_lines("retrieval")}
        assert events["compacted"]["said"]
        assert events["tenant_outgrows_edge"]["warn_chunks"] == 1
        assert events["tenant_outgrows_edge"]["chunks"] > 1
        await system.client.delete_document(next(iter(ids.values())))

    code, said = await admin(elsewhere, "restore", file)
    assert (code, f"Restored {len(ids)} documents" in said) == (0, True), said
    async with running_system(elsewhere) as system:
        assert await found(system.client, dense) == before
        assert (await system.client.get_stats()).indexed_document_count == len(ids)


async def test_help_names_every_command_and_that_of_a_command_is_its_own_programs(tmp_path: Path) -> None:
    for arguments, expected in ((["--help"], 0), ([], 2)):
        code, said = await admin(tmp_path, *arguments)
        assert code == expected
        named = set(re.findall(r"^│ (\w+)  ", said, re.MULTILINE))
        assert named == {"doctor", "key", "cost", *await store_commands()}
    code, said = await admin(tmp_path, "nonsense")
    assert (code, "No such command 'nonsense'" in said) == (2, True)
    code, said = await admin(tmp_path, "backup", "--help")
    assert (code, said.startswith("usage: docuquery admin backup [-h] FILE")) == (0, True)


async def store_commands() -> list[str]:
    """Those of the store's own program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.retrieval.admin", "--help"),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return re.findall(r"^    (\w+) ", said.decode(), re.MULTILINE)


async def test_key_adds_to_a_list_that_need_not_be_there(tmp_path: Path) -> None:
    code, said = await admin(tmp_path, "key", "keys.json", "--tenant", "acme", "--name", "me")
    assert code == 0
    assert said.splitlines()[0].startswith("dq_")
    assert '"name": "me"' in (tmp_path / "keys.json").read_text()


async def test_cost_sums_a_usage_log_without_any_store(tmp_path: Path) -> None:
    log = tmp_path / "usage.jsonl"
    log.write_text("")
    code, said = await admin(tmp_path, "cost", str(log), "--by", "tenant")
    assert code == 0, said
    assert said.split()[:2] == ["tenant", "attempts"]
