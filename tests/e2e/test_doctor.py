"""`docuquery admin doctor` on a running system, and on installations that are wrong in many ways at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.contract.redis_server import redis_server
from tests.e2e.support import running_system


async def doctor(folder: Path, *arguments: str, address: str = "127.0.0.1:1", **env: str) -> tuple[int, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "docuquery_client.cli", "--address", address),
        *("admin", "doctor", "--json", *arguments),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **env},
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(told)


def errors(report: Any) -> list[str]:
    return [
        f"{f['service']} {f['check']}: {f['message']}" for f in report["findings"] if f["level"] == "error"
    ]


async def test_a_running_system_is_well(tmp_path: Path) -> None:
    async with running_system(tmp_path) as system:
        env = {
            f"{name.upper()}_{part}": value
            for name, where in system.stack.addresses.items()
            for part, value in (("TARGET", where), ("PORT", where.rpartition(":")[2]))
        }
        code, report = await doctor(
            tmp_path, address=system.address, DATA_DIR=str(tmp_path / "retrieval"), **env
        )
        (tmp_path / ".env").write_text("LLM_PROVIDER=gpt,extractive\n")
        _, wrong = await doctor(
            tmp_path, "--service", "answer", address=system.address, DOCUQUERY_API_KEY="any", **env
        )
    assert (code, errors(report)) == (0, [])
    said = {(f["service"], f["check"], f["level"]) for f in report["findings"]}
    assert ("retrieval", "store", "ok") in said
    assert ("retrieval", "lock", "ok") in said
    assert ("gateway", "clock", "ok") in said
    assert ("gateway", "version", "ok") in said
    assert ("system", "status", "ok") in said
    assert ("answer", "providers", "warning") in said
    assert not any(f["check"] == "keys" for f in report["findings"] if f["service"] == "system")
    told = [f["message"] for f in wrong["findings"] if f["service"] == "system" and f["level"] == "warning"]
    assert [message.partition(";")[0] for message in told] == [
        "LLM_PROVIDER names gpt",
        "it serves without keys, so the API key given counts for nothing, right or wrong",
    ]


async def test_many_faults_are_all_told_with_what_to_do(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs", "other")
    late = ours.issue("late", days=-1)
    store = tmp_path / "store"
    store.mkdir()
    manifest = {
        "schema_version": 2,
        "embedder": "openai/other",
        "dimensions": 3,
        "sparse": "bm25/english",
        "page_token_key": "00" * 32,
        "folder": "tenants",
    }
    (store / "store.json").write_text(json.dumps(manifest))
    code, report = await doctor(
        tmp_path,
        RETRIEVAL_TOP_K="99",
        GATEWAY_HOST="0.0.0.0",
        TLS_CERT_FILE=str(late.cert),
        TLS_KEY_FILE=str(late.key),
        TLS_CA_FILE=str(theirs.ca),
        DATA_DIR=str(store),
        INGEST_SPOOL_DIR=str(late.cert),
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
        STATE_URL="redis://:hidden-word@127.0.0.1:9/0",
    )
    assert code == 1
    told = "\n".join(errors(report))
    for part in (
        "gateway settings: RETRIEVAL_TOP_K",
        "gateway settings: GATEWAY_HOST=0.0.0.0 would carry documents in plain text",
        "answer certificate: certificate shown to callers: valid until",
        "is not believed by who has",
        "retrieval store:",
        "ingest folder:",
        "ingest reach: retrieval does not answer",
        "answer reach: openai cannot be reached",
        "system status:",
    ):
        assert part in told, told
    assert all(f["advice"] for f in report["findings"] if f["level"] != "ok")
    assert "hidden-word" not in json.dumps(report)


async def test_one_service_can_be_looked_at_alone(tmp_path: Path) -> None:
    _, report = await doctor(tmp_path, "--service", "answer", LOG_LEVLE="DEBUG")
    assert {f["service"] for f in report["findings"]} == {"answer", "system"}
    warned = [(f["message"], f["advice"]) for f in report["findings"] if f["check"] == "settings"][1:]
    assert warned == [("LOG_LEVLE is no setting, and counts for nothing", "Did you mean LOG_LEVEL?")]


async def test_beside_one_service_alone_no_gateway_is_looked_for(tmp_path: Path) -> None:
    """In the pod of one service there is none; its address has to be said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "docuquery_client.cli", "admin", "doctor", "--json", "--service", "answer"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    told, _ = await process.communicate()
    assert (process.returncode, {f["service"] for f in json.loads(told)["findings"]}) == (0, {"answer"})


async def test_an_env_file_that_is_no_text_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"LOG_LEVEL=\xff\n")
    code, report = await doctor(tmp_path, "--service", "ingest")
    assert code == 1
    assert "ingest settings: .env: not UTF-8 text" in errors(report)


@pytest.mark.externals
async def test_redis_is_asked_for_its_clock(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        _, report = await doctor(tmp_path, "--service", "gateway", STATE_URL=redis.url)
    found = [(f["check"], f["level"]) for f in report["findings"] if "Redis" in f["message"]]
    assert found == [("reach", "ok"), ("clock", "ok")]
