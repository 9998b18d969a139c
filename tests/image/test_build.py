"""The Dockerfile's steps, run one by one in a clean folder, give four services that answer a question."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from docuquery_client import AsyncDocuQuery
from docuquery_client.ports import free_ports
from docuquery_client.stack import Ports, wait_until_whole
from tests.e2e.support import SAMPLES, ingest_all
from tests.image.dockerfile import DOCKERFILE, ROOT, parse
from tests.image.workshop import UID, Workshop
from tools.configuration import SERVICES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def interpreter() -> str:
    """IMAGE_PYTHON, the base image's minor version where there is one here, or the one of the tests."""
    version = parse(DOCKERFILE.read_text())[0].text.partition(":")[2].rsplit(".", 1)[0]
    found = os.environ.get("IMAGE_PYTHON") or shutil.which(f"python{version}")
    runs = found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
    return found if found and runs else sys.executable


@pytest.fixture(scope="module")
def image() -> Iterator[Workshop]:
    # Not below pytest's own folder, which is closed to other users.
    root = Path(tempfile.mkdtemp(prefix="docuquery-image-"))
    root.chmod(0o755)
    workshop = Workshop(root, ROOT, interpreter())
    try:
        for instruction in parse(DOCKERFILE.read_text()):
            workshop.follow(instruction)
        yield workshop
    finally:
        shutil.rmtree(root)


def started(image: Workshop, arguments: list[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process of the image, as its user where this one may change that."""
    others = {"user": UID, "group": UID, "extra_groups": []} if may_be_another(image) else {}
    return subprocess.Popen(
        arguments,
        cwd=image.folder,
        env=image.environment | dict(variables),
        executable=shutil.which(arguments[0], path=image.environment["PATH"]),
        **others,  # type: ignore[call-overload]
    )


def may_be_another(image: Workshop) -> bool:
    """Whether processes can be started as the image's user: by root, and with an interpreter open to all."""
    if os.getuid() != 0:
        return False
    python = Path(image.fs / "opt/docuquery/bin/python").resolve()
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in python.parents)


def owner(process: subprocess.Popen[bytes]) -> int:
    """The user a process runs as."""
    return Path(f"/proc/{process.pid}").stat().st_uid


def test_the_final_stage_holds_no_tool_that_builds(image: Workshop) -> None:
    fs = image.fs
    assert not list(fs.rglob("pip-*.dist-info"))  # that of the base image neither
    packages = {path.name.partition("-")[0] for path in (fs / "opt").rglob("*.dist-info")}
    assert "docuquery" in packages
    assert not packages & {"setuptools", "wheel", "hatchling", "editables", "uv"}
    assert not packages & {"pytest", "mypy", "ruff", "hypothesis", "grpcio_tools"}
    assert not (fs / "build").exists()
    programs = {path.name for path in (fs / "opt/docuquery/bin").iterdir()}
    assert "docuquery" in programs
    assert not programs & {"pip", "hatchling"}


def test_nothing_in_it_is_writable_by_its_user_but_its_data(image: Workshop) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files an owner")
    owned = {str(path.relative_to(image.fs)) for path in image.fs.rglob("*") if path.lstat().st_uid == UID}
    assert {path for path in owned if path.count("/") <= 2} == {"var/lib/docuquery", "var/spool/docuquery"}
    loose = [path for path in image.fs.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o002]
    assert loose == []


async def test_the_four_services_of_the_image_answer_a_question(image: Workshop) -> None:
    ports = Ports.free()
    health = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
    shared = {f"{name.upper()}_PORT": str(getattr(ports, name)) for name in SERVICES}
    shared |= {f"{name.upper()}_TARGET": f"127.0.0.1:{getattr(ports, name)}" for name in SERVICES}
    with ExitStack() as stack:
        running = {}
        for name in ("retrieval", "answer", "ingest", "gateway"):
            # On one machine each needs a port of its own; in a container all have the same.
            own = shared | {f"{one.upper()}_HEALTH_PORT": str(health[name]) for one in SERVICES}
            command = [*image.entrypoint, f"services.{name}"]
            assert image.command[0].startswith("services.")
            running[name] = started(image, command, own)
            stack.callback(running[name].kill)
            if may_be_another(image):
                assert owner(running[name]) == UID
            while started(image, image.healthcheck, own).wait() != 0:
                assert running[name].poll() is None, name
        async with AsyncDocuQuery(f"127.0.0.1:{ports.gateway}") as client:
            await wait_until_whole(client)
            await ingest_all(client, SAMPLES)
            result = await client.ask("What is the hotel limit per night in Paris?")
        assert "185" in result.answer
        assert {citation.filename for citation in result.citations} == {"expenses-and-travel.md"}
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        assert [await asyncio.to_thread(process.wait, 30) for process in running.values()] == [0] * 4
