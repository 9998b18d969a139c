"""Every grpcurl command of the README works as printed, and together they show every public call."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docuquery.gateway.v1 import admin_service_pb2, docuquery_service_pb2
from tests.e2e.support import ROOT, SAMPLES, ingest_all, require, running_system

README = (ROOT / "README.md").read_text()


def readme_commands() -> list[str]:
    """The grpcurl commands, in order, each as the shell reads it (here-documents included)."""
    commands: list[str] = []
    for block in re.findall(r"```bash\n(.*?)```", README, re.S):
        for part in re.split(r"\n(?=grpcurl |#|\n)", "\n" + block):
            if part.strip().startswith("grpcurl "):
                commands.append(part.strip())
    return commands


def method_of(command: str) -> str:
    found = re.search(r"docuquery\.gateway\.v1\.(\w+/\w+)", command)
    assert found, command
    return found.group(1)


def test_the_readme_shows_every_public_call() -> None:
    public = {
        f"{service.name}/{method.name}"
        for module in (docuquery_service_pb2, admin_service_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {method_of(command) for command in readme_commands()} == public


@pytest.mark.externals
async def test_every_command_of_the_readme_works(tmp_path: Path) -> None:
    grpcurl = require("grpcurl")
    path = f"{Path(grpcurl).parent}{os.pathsep}{os.environ['PATH']}"
    document_id = ""
    async with running_system(tmp_path) as system:
        for command in readme_commands():
            runnable = command.replace("localhost:50051", system.address).replace("$DOCUMENT_ID", document_id)
            done = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-c", runnable],
                cwd=ROOT,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, f"{runnable}\n{done.stdout}\n{done.stderr}"
            assert done.stdout.strip(), runnable
            if method_of(command).endswith("/UploadDocument"):
                document_id = json.loads(done.stdout)["document"]["documentId"]


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
