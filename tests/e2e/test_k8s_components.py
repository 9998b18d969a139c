"""What the components of k8s/ run, run here: the shell of their containers, on files and ports of ours."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import qdrant_server
from docuquery_client import AsyncDocuQuery
from services.gateway.admission.shared_rate_limit import open_redis_limiter
from tests.certificates import Authority
from tests.contract import redis_server
from tests.e2e.support import SAMPLES, files_in, ingest_all, running_system
from tests.unit.k8s.environments import environment_of
from tests.unit.k8s.manifests import K8S, Pod, combination, combined, overlay

pytestmark = pytest.mark.externals

_DAY = 86400


def script(pod: Pod, replaced: Mapping[str, str]) -> list[str]:
    """The command of a pod, with parts of it replaced."""
    words = [*pod.container["command"], *pod.container["args"]]
    for old, new in replaced.items():
        assert any(old in word for word in words), old
        words = [word.replace(old, new) for word in words]
    return words


def certificates(folder: Path) -> Path:
    """A folder as cert-manager's Secrets are, with a certificate for this machine."""
    authority = Authority(folder)
    pair = authority.issue("localhost", hosts=("localhost", "127.0.0.1"))
    pair.cert.rename(folder / "tls.crt")
    pair.key.rename(folder / "tls.key")
    authority.ca.rename(folder / "ca.crt")
    return folder


@contextmanager
def running(words: list[str], environment: Mapping[str, str], cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process while the block lasts; it must end when it is told to, as a pod's first process."""
    with (cwd / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, cwd=cwd, stdout=log, stderr=log)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()


async def test_redis_takes_tls_and_a_password_and_the_gateway_finds_it(tmp_path: Path) -> None:
    redis_server.binary()
    tls = certificates(tmp_path / "tls")
    [port] = qdrant_server.free_ports(1)
    build = overlay("prod")
    words = script(build.pod("redis"), {"/tls/": f"{tls}/", "/data": str(tmp_path), "6379": str(port)})
    environment = os.environ | {"REDIS_PASSWORD": "s3cret"}
    gateway = environment_of(build, build.pod("gateway"))
    url = gateway.plain["STATE_URL"].replace("$(REDIS_PASSWORD)", "s3cret")
    url = url.replace("redis:6379", f"localhost:{port}").replace("/etc/docuquery/tls", str(tls))
    with running(words, environment, tmp_path):
        end = time.monotonic() + 10
        async with open_redis_limiter(url, 60, timeout_seconds=5) as limiter:
            while True:
                try:
                    assert await limiter.acquire("caller", 1) == 0
                    break
                except OSError:
                    assert time.monotonic() < end, (tmp_path / "log").read_text()
            assert await limiter.acquire("caller", 1) > 0
        async with open_redis_limiter(url.replace("s3cret", "wrong"), 60, timeout_seconds=5) as limiter:
            with pytest.raises(Exception, match="invalid username-password"):
                await limiter.acquire("caller", 1)


async def test_qdrant_takes_tls_and_a_key_and_retrieval_finds_it(tmp_path: Path) -> None:
    program = qdrant_server.find_program()
    tls = certificates(tmp_path / "tls")
    http, grpc, peers = qdrant_server.free_ports(3)
    entrypoint = tmp_path / "entrypoint.sh"
    entrypoint.write_text(f'#!/bin/sh\nexec {program} --disable-telemetry "$@"\n')
    entrypoint.chmod(0o755)
    build = overlay("prod")
    pod = build.pod("qdrant")
    found = environment_of(build, pod).everything | {
        "POD_NAME": "qdrant-0",
        "QDRANT__SERVICE__HOST": "127.0.0.1",
        "QDRANT__SERVICE__HTTP_PORT": str(http),
        "QDRANT__SERVICE__GRPC_PORT": str(grpc),
        "QDRANT__CLUSTER__P2P__PORT": str(peers),
        "QDRANT__STORAGE__STORAGE_PATH": str(tmp_path / "storage"),
        "QDRANT__STORAGE__SNAPSHOTS_PATH": str(tmp_path / "snapshots"),
    }
    server = {name: value.replace("/tls/", f"{tls}/") for name, value in found.items()}
    retrieval = environment_of(build, build.pod("retrieval")).everything
    client = {name: retrieval[name] for name in ("VECTOR_STORE", "QDRANT_API_KEY")} | {
        "QDRANT_URL": f"https://localhost:{grpc}",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tls / "ca.crt"),
        "QDRANT_REPLICATION_FACTOR": "1",
        "QDRANT_WRITE_CONSISTENCY_FACTOR": "1",
    }
    assert retrieval["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"].endswith("/ca.crt")
    with running(script(pod, {}), os.environ | server, tmp_path):
        _wait_ready(f"https://localhost:{http}/readyz", tls / "ca.crt", tmp_path / "log")
        async with running_system(tmp_path / "services", **client) as system:
            await ingest_all(system.client, SAMPLES)
            assert "185" in (await _ask(system.client)).answer


@pytest.mark.slow
async def test_the_backup_job_checks_writes_and_forgets(tmp_path: Path) -> None:
    async with running_system(tmp_path) as system:
        await ingest_all(system.client, SAMPLES)
        await system.kill("retrieval")
        # What a clone of the volume holds: the files of one moment, without a farewell.
        shutil.copytree(tmp_path / "retrieval", tmp_path / "clone")
    backups = tmp_path / "backups"
    backups.mkdir()
    old, fresh, other = (backups / name for name in ("old.tar.gz", "fresh.tar.gz", "old.txt"))
    for file, days in ((old, 30), (fresh, 3), (other, 30)):
        file.touch()
        os.utime(file, (time.time() - days * _DAY,) * 2)

    assert _run_backup(tmp_path / "clone", backups) == 0
    assert not old.exists()
    assert fresh.exists()
    assert other.exists()
    [made] = set(backups.iterdir()) - {fresh, other}

    assert _admin("restore", str(made), data=tmp_path / "restored") == 0
    async with running_system(tmp_path / "again", DATA_DIR=str(tmp_path / "restored")) as system:
        assert "185" in (await _ask(system.client)).answer

    before = set(backups.iterdir())
    segment = max((tmp_path / "clone").rglob("*.dat"), key=lambda file: file.stat().st_size)
    segment.write_bytes(b"\xff" * segment.stat().st_size)
    assert _run_backup(tmp_path / "clone", backups) != 0
    assert set(backups.iterdir()) == before


@pytest.mark.timeout(300)  # Qdrant may leave copies half made, and then it is restored again
async def test_a_lost_cluster_is_restored_from_its_snapshots(tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    with qdrant_server.cluster(tmp_path / "cluster") as servers:
        settings = {"VECTOR_STORE": "qdrant", "QDRANT_URL": servers.url}
        async with running_system(tmp_path / "services", **settings) as system:
            await ingest_all(system.client, SAMPLES)
            assert _run_snapshots(servers, backups, "save") == 0
    [made] = backups.iterdir()
    assert len(list(made.rglob("*.snapshot"))) == 3 * 2

    with qdrant_server.cluster(tmp_path / "new") as servers:
        assert _run_snapshots(servers, backups, "restore", str(made)) == 0
        settings = {"VECTOR_STORE": "qdrant", "QDRANT_URL": servers.url}
        async with running_system(tmp_path / "again", **settings) as system:
            assert "185" in (await _ask(system.client)).answer
            assert len([document async for document in system.client.documents()]) == len(files_in(SAMPLES))


async def _ask(client: AsyncDocuQuery):  # type: ignore[no-untyped-def]  # a QueryResult
    return await client.ask("What is the hotel limit per night in Paris?")


def _run_backup(data: Path, backups: Path) -> int:
    pod = combined(combination("embedded", "backup-embedded")).pod("backup")
    values = {one["name"]: one["value"] for one in pod.container["env"]}
    assert set(values) == {"DATA_DIR", "BACKUP_DIR", "BACKUP_KEEP_DAYS"}
    environment = _own_environment() | values | {"DATA_DIR": str(data), "BACKUP_DIR": str(backups)}
    return subprocess.run(script(pod, {}), env=environment, check=False).returncode


def _run_snapshots(servers: qdrant_server.Servers, backups: Path, *arguments: str) -> int:
    pod = combined(combination("qdrant", "backup-qdrant")).pod("backup")
    nodes = ",".join(f"http://127.0.0.1:{node.http_port}" for node in servers.nodes)
    known = environment_of(combined(combination("qdrant", "backup-qdrant")), pod).everything
    environment = _own_environment() | known | {"QDRANT_NODES": nodes, "BACKUP_DIR": str(backups)}
    program, file = pod.container["command"]
    folder = str(K8S / "components" / "backup-qdrant")
    command = [program, file.replace("/scripts", folder), *(arguments or pod.container["args"])]
    return subprocess.run(command, env=environment, check=False).returncode


def _admin(*arguments: str, data: Path) -> int:
    command = ["docuquery", "admin", *arguments]
    environment = _own_environment() | {"DATA_DIR": str(data)}
    return subprocess.run(command, env=environment, check=False).returncode


def _own_environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _wait_ready(url: str, ca: Path, log: Path) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2, context=context):
                return
        except OSError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
