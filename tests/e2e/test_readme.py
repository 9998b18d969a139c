"""Every command and the Python example of the README work as printed."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.commands import commands_of, run
from tests.e2e.support import ROOT, SAMPLES, ingest_all, require, running_system

README = (ROOT / "README.md").read_text()


@pytest.mark.externals
async def test_every_call_in_the_readme_works(tmp_path: Path) -> None:
    require("grpcurl")
    commands = commands_of(README, "grpcurl")
    assert len(commands) >= 3
    async with running_system(tmp_path) as system:
        for command in commands:
            done = await run(command, {"localhost:50051": system.address})
            assert done.code == 0, f"{command}\n{done.said}"
            assert done.out.strip(), command


async def test_the_python_example_of_the_readme_works(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README, re.S)
    async with running_system(tmp_path) as system:
        await ingest_all(system.client, SAMPLES)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", example.replace("127.0.0.1:50051", system.address)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert "185" in done.stdout
    assert "expenses-and-travel.md" in done.stdout


async def test_every_docuquery_command_of_the_readme_works(tmp_path: Path) -> None:
    commands = commands_of(README, ".venv/bin/docuquery")
    commands += re.findall(r"^\$ (docuquery .*)$", README, re.M)
    assert len(commands) >= 6
    async with running_system(tmp_path) as system:
        for command in commands:
            where = f"docuquery --address {system.address}"
            done = await run(re.sub(r"^\S*docuquery", where, command), {})
            assert done.code == 0, f"{command}\n{done.said}"
            assert done.out.strip(), command
