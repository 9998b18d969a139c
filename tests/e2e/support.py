"""Four real processes on free loopback ports, and what the tests do with them."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from docuquery_client import AsyncDocuQuery
from docuquery_client.stack import Ports, start_stack, wait_until_whole
from docuquery_client.supervision import Stack

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples" / "handbook"
QUESTIONS = ROOT / "tests" / "evals" / "golden_set.jsonl"


@dataclass(frozen=True, slots=True)
class System:
    """A running system and a client of it."""

    stack: Stack
    client: AsyncDocuQuery

    @property
    def address(self) -> str:
        """The gateway's address."""
        return self.stack.addresses["gateway"]

    async def kill(self, name: str) -> None:
        """SIGKILL to one service; returns when it is dead."""
        self.stack.processes[name].kill()
        await self.stack.processes[name].wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to one service, SIGSTOP or SIGCONT for example."""
        self.stack.processes[name].signal(number)

    async def restart(self, name: str) -> None:
        """Starts a dead service again; returns when the gateway sees everything serving."""
        await self.stack.start_service(name)
        await self.stack.wait_healthy(names=[name])
        await wait_until_whole(self.client)

    def log_lines(self, name: str) -> list[dict[str, Any]]:
        """The structured log lines of one service so far."""
        lines = self.stack.processes[name].lines
        return [json.loads(line) for line in lines if line.startswith("{")]


@asynccontextmanager
async def running_system(data_dir: Path, *, api_key: str | None = None, **env: str) -> AsyncIterator[System]:
    """Starts everything with its data below `data_dir`; `env` are further settings.

    `api_key` is that of the client, where the settings have some.
    """
    settings = {
        "DATA_DIR": str(data_dir / "retrieval"),
        "INGEST_SPOOL_DIR": str(data_dir / "spool"),
        "LOG_FORMAT": "json",
        "OPENAI_API_KEY": "",
        "ANTHROPIC_API_KEY": "",
        **env,
    }
    stack = await start_stack(settings, Ports.free())
    async with stack, AsyncDocuQuery(stack.addresses["gateway"], api_key) as client:
        await wait_until_whole(client)
        yield System(stack, client)


def files_in(folder: Path) -> list[Path]:
    """The files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.is_file())


async def ingest_all(client: AsyncDocuQuery, folder: Path) -> dict[str, str]:
    """Uploads a folder; returns document ids by file name, or fails naming what failed."""
    files = files_in(folder)
    ids, failed = {}, []
    async for event in client.upload_many(files):
        if event.failed is not None:
            failed.append((event.file.path.name, event.reason, event.failed.message))
        elif event.document is not None:
            ids[event.document.filename] = event.document.document_id
    assert failed == []
    assert len(ids) == len(files)
    return ids


def require(program: str) -> str:
    """The path of an external program; skips the test without it, unless REQUIRE_EXTERNALS=1."""
    elsewhere = os.pathsep.join(str(ROOT / folder) for folder in ("build/bin", "node_modules/.bin"))
    found = shutil.which(program) or shutil.which(program, path=elsewhere)
    if found is None:
        hint = f"{program} is not installed (see README.md, Developing)"
        if os.environ.get("REQUIRE_EXTERNALS") == "1":
            pytest.fail(hint)
        pytest.skip(hint)
    return found
