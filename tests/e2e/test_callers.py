"""The programs of examples/ and what docs/callers.md says of calls sent again, against four processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1.document_pb2 import UploadResult
from docuquery_client import ApiError
from tests.e2e.support import ROOT, require, running_system
from tools import callers, protos_archive

KEYS = {"backend": "dq_backend", "hurried": "dq_hurried"}
SETTINGS = {
    "API_KEYS": json.dumps(
        [
            {
                "tenant": "acme",
                "name": name,
                "sha256": hashlib.sha256(key.encode()).hexdigest(),
                "scopes": ["read", "write"],
                **({"rate_class": "one"} if name == "hurried" else {}),
            }
            for name, key in KEYS.items()
        ]
    ),
    "RATE_LIMIT_CLASSES": "one=1",
    "RATE_LIMIT_WINDOW": "3",
}
QUESTION = "What is the mascot of the firm?"
SENTENCE = "The mascot of the firm is a heron."
SAID = f"answer: {SENTENCE}\ncites mascot.txt: {SENTENCE}\nstreamed: {SENTENCE}\n"


@dataclass(frozen=True, slots=True)
class Program:
    """How an example is run, once it is built."""

    command: Sequence[str]
    folder: Path
    env: Mapping[str, str]

    async def run(self, address: str, key: str) -> subprocess.CompletedProcess[str]:
        """Asks the question."""
        done = await asyncio.to_thread(
            subprocess.run,
            self.command,
            cwd=self.folder,
            env={**os.environ, **self.env, "DOCUQUERY_ADDRESS": address, "DOCUQUERY_API_KEY": key},
            capture_output=True,
            text=True,
            timeout=100,
        )
        done.stdout = done.stdout.replace("\x1b[0m", "")  # Maven's, even with nobody to see colours
        return done


def build(command: Sequence[str], folder: Path) -> None:
    """Runs a step of a build; fails the test with its output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def python(folder: Path, archive: Path, contracts: Path) -> Program:
    sources = [str(path.relative_to(contracts)) for path in contracts.rglob("*.proto")]
    (folder / "gen").mkdir()
    generate = [f"-I{contracts}", "--python_out=gen", "--grpc_python_out=gen", *sources]
    build([sys.executable, "-m", "grpc_tools.protoc", *generate], folder)
    return Program([sys.executable, "ask.py", QUESTION], folder, {"PYTHONPATH": str(folder / "gen")})


def go(folder: Path, archive: Path, contracts: Path) -> Program:
    go = require("go")
    build([require("buf"), "generate", f"{archive}#strip_components=1"], folder)
    build([go, "vet", "."], folder)
    build([go, "build", "-o", "ask", "."], folder)
    return Program(["./ask", QUESTION], folder, {})


def java(folder: Path, archive: Path, contracts: Path) -> Program:
    require("javac")
    mvn = [require("mvn"), "--quiet", "--batch-mode", f"-Dcontracts={contracts}"]
    build([*mvn, "compile"], folder)
    return Program([*mvn, "exec:java", f"-Dexec.args='{QUESTION}'"], folder, {})


BUILDERS = {"python": python, "go": go, "java": java}
NOT_PYTHON = [pytest.mark.slow, pytest.mark.externals, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "language",
    ["python", pytest.param("go", marks=NOT_PYTHON), pytest.param("java", marks=NOT_PYTHON)],
)
async def test_the_example_asks_waits_as_told_and_says_why_it_was_refused(
    tmp_path: Path, language: str
) -> None:
    archive = protos_archive.write(tmp_path)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    contracts = tmp_path / archive.name.removesuffix(".tar.gz") / "protos"
    ours = shutil.ignore_patterns("gen", "target", "protos")
    examples = shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=ours)
    program = await asyncio.to_thread(BUILDERS[language], examples / language, archive, contracts)

    async with running_system(tmp_path / "data", api_key=KEYS["backend"], **SETTINGS) as system:
        await system.client.upload_document("mascot.txt", SENTENCE.encode())
        done = await program.run(system.address, KEYS["backend"])
        assert (done.returncode, done.stdout) == (0, SAID), done.stderr
        limited = await program.run(system.address, KEYS["hurried"])
        assert (limited.returncode, limited.stdout) == (0, SAID), limited.stderr
        assert "RATE_LIMITED: again in " in limited.stderr
        refused = await program.run(system.address, "dq_stranger")
        assert refused.returncode == 1
        assert "CREDENTIALS_INVALID: This API key is not known here." in refused.stderr


async def test_calls_sent_again_do_what_the_page_says(tmp_path: Path) -> None:
    async with running_system(tmp_path) as system:
        client = system.client
        first = await client.upload_document("mascot.txt", SENTENCE.encode())
        again = await client.upload_document("mascot.txt", SENTENCE.encode())
        assert again.result == UploadResult.UPLOAD_RESULT_UNCHANGED
        document_id = first.document.document_id
        asked = [await client.ask(QUESTION, conversation_id="c-1") for _ in range(2)]
        assert len({one.query_id for one in asked}) == 2
        assert len((await client.get_conversation("c-1")).turns) == 2

        async def read() -> list[Any]:
            found = await client.search("mascot", limit=5)
            return [
                await client.get_document(document_id),
                await client.list_documents(),
                await client.get_stats(),
                found.passages[0],
                await client.get_passage(document_id, 4, 10),
                (await client.get_conversation("c-1")).turns,
                await client.list_prompts(),
            ]

        assert await read() == await read()
        assert (await client.delete_conversation("c-1")).deleted_turn_count == 2
        assert (await client.delete_document(document_id)).deleted_chunk_count == 1
        for again_gone, reason in (
            (client.delete_conversation("c-1"), "CONVERSATION_NOT_FOUND"),
            (client.delete_document(document_id), "DOCUMENT_NOT_FOUND"),
        ):
            with pytest.raises(ApiError) as gone:
                await again_gone
            assert gone.value.reason == reason
    # And that is what stands there.
    for name, told in (
        ("UploadDocument", "UNCHANGED"),
        ("Query", "another turn"),
        ("DeleteConversation", "CONVERSATION_NOT_FOUND"),
        ("DeleteDocument", "DOCUMENT_NOT_FOUND"),
    ):
        assert told in callers.CALLS[name].again
