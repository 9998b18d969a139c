"""The command line: what it does, its exit codes, and sentences that say what to do."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from libs.clock import ManualClock
from services.retrieval.admin.commands import _parser, main
from services.retrieval.admin.console import Progress, table
from services.retrieval.store.edge.manifest import exclusive, read_manifest
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.spaces import VectorSpace
from tests.unit.services.retrieval.admin.support import ENCODER, HashEmbedder, everything, fill, put

ROOT = Path(__file__).parents[5]
LOCAL = VectorSpace("local/wordllama-256", 256, ENCODER.name)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty store, named by the environment; no `.env` is read. The logs are put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("QDRANT_URL", raising=False)

    async def make() -> None:
        async with open_edge(tmp_path / "data", LOCAL):
            pass

    asyncio.run(make())
    yield tmp_path / "data"
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_backup_is_restored_by_the_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(fill(tmp_path / "filled"))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "filled"))
    assert main(["backup", "b.tar.gz"]) == 0
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "other"))
    assert main(["restore", "b.tar.gz"]) == 0
    assert main(["restore", "b.tar.gz"]) == 1
    assert "add --replace" in capsys.readouterr().err
    assert main(["restore", "b.tar.gz", "--replace"]) == 0
    assert main(["check"]) == 0
    assert "12" in capsys.readouterr().out


def test_a_new_language_of_the_settings_is_what_reindex_takes(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BM25_LANGUAGE", "german")
    assert main(["reindex"]) == 0
    assert "Switched over" in capsys.readouterr().out
    found = read_manifest(data)
    assert found is not None
    assert "german" in found.space.sparse
    assert main(["reindex"]) == 0
    assert "already" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["compact"], ["backup", "b.tar.gz"], ["restore", "b.tar.gz"], ["check"], ["reindex"]]
)
def test_a_store_in_use_is_refused_with_what_to_do(
    data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments[0] == "restore":
        assert main(["backup", "b.tar.gz"]) == 0
    with exclusive(data):
        assert main(arguments) == 1
    assert "Another process holds the data folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["compact", "--tenant", "nobody"], "no tenant nobody"),
        (["restore", "missing"], "no file missing"),
        (["backup", "nowhere/b.tar.gz"], "No such file or directory"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BM25_LANGUAGE", "german")
    assert main(arguments) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ")
    assert sentence in said


@pytest.mark.parametrize(
    "arguments", [[], ["unheard-of"], ["backup"], ["compact", "--unheard-of"], ["reindex", "--rate", "0"]]
)
def test_a_command_line_that_cannot_be_understood_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_every_command_the_documentation_gives_is_understood() -> None:
    text = (ROOT / "docs/operations-store.md").read_text()
    commands = re.findall(r"^    docuquery admin (.+)$", text, re.M)
    assert {"reindex", "reindex --finish", "migrate"} <= set(commands)
    for command in (*commands, "reindex --rate 500", "reindex --json"):
        assert vars(_parser().parse_args(command.split()))["command"] == command.split()[0]


def test_a_wrong_setting_ends_with_2_and_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BM25_LANGUAGE", "klingon")
    with pytest.raises(SystemExit) as caught:
        main(["check"])
    assert caught.value.code == 2
    assert "BM25_LANGUAGE" in capsys.readouterr().err


def test_a_url_of_no_server_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QDRANT_URL", "")  # so that it is put back afterwards
    with pytest.raises(SystemExit) as caught:
        main(["migrate", "--to-url", "ftp://somewhere"])
    assert caught.value.code == 2
    assert "QDRANT_URL" in capsys.readouterr().err


def test_progress_is_told_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    progress = Progress(100_000, "chunks", clock)
    for _ in range(25):
        clock.advance(1)
        progress.advance(1000)
    progress.finish()
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "  10,000 of 100,000 chunks, 1,000/s, 90 s left",
        "  20,000 of 100,000 chunks, 1,000/s, 80 s left",
    ]


def test_numbers_in_tables_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "count"), [("a", 5), ("long name", 12_345)])
    assert capsys.readouterr().out.splitlines() == [
        "name        count",
        "a               5",
        "long name  12,345",
    ]


def test_a_killed_reindex_leaves_the_store_as_it_was_and_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "filled"
    space = VectorSpace(LOCAL.embedder, LOCAL.dimensions, "bm25/older")

    async def make() -> None:
        async with open_edge(folder, space) as stores:
            for number in (1, 2, 3):
                embedder = HashEmbedder("any", LOCAL.dimensions)
                await put(stores, number, [f"Line {i} of {number}." for i in range(1000)], embedder=embedder)

    asyncio.run(make())
    before = asyncio.run(everything(folder))
    monkeypatch.setenv("DATA_DIR", str(folder))
    process = subprocess.Popen(
        [sys.executable, "-m", "services.retrieval.admin", "reindex"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), *sys.path]))},
        stdout=subprocess.DEVNULL,
    )
    try:
        while not list(folder.glob("tenants/*/chunks-*/segments")):
            assert process.poll() is None, "it ended before its moment came"
            time.sleep(0.001)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert asyncio.run(everything(folder)) == before
    assert main(["reindex"]) == 0
    said = capsys.readouterr()
    assert "Switched over" in said.out
    after = asyncio.run(everything(folder))
    assert after.keys() == before.keys()
    assert {k: v for k, v in after.items() if "chunk" not in k} == {
        k: v for k, v in before.items() if "chunk" not in k
    }
    assert main(["check"]) == 0
