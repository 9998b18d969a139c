"""Compacting keeps every point, builds the graph, and a kill at any moment of it loses nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as edge
import structlog

from libs.errors import DocuQueryError
from services.retrieval.admin.child import compact_in_child
from services.retrieval.admin.compact import compact
from services.retrieval.admin.console import AdminError
from services.retrieval.store.edge.manifest import exclusive
from services.retrieval.store.edge.space import DENSE, SPARSE
from tests.unit.services.retrieval.admin.support import TENANT, everything, fill

POINTS = 1500


@pytest.fixture(scope="module")
def uncompacted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose chunks are due for a graph, by a threshold of its own, which takes a second or two."""
    folder = tmp_path_factory.mktemp("uncompacted") / "data"
    asyncio.run(fill(folder))
    path = str(shard_of(folder))
    vectors = {
        DENSE: edge.EdgeVectorParams(8, edge.Distance.Cosine, datatype=edge.VectorStorageDatatype.Float16)
    }
    sparse = {SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
    shard = edge.EdgeShard.load(
        path,
        edge.EdgeConfig(
            vectors,
            sparse,
            hnsw_config=edge.HnswIndexConfig(32, 1500, 10),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=10),
        ),
    )
    rows = np.random.default_rng(1).standard_normal((POINTS, 8)).tolist()
    empty = edge.SparseVector([], [])
    for start in range(0, POINTS, 500):
        points = [
            edge.Point(i, {DENSE: rows[i], SPARSE: empty}, {"attempt_id": "none"})
            for i in range(start, start + 500)
        ]
        shard.update(edge.UpdateOperation.upsert_points(points))
    shard.flush()
    shard.close()
    return folder


def environment(folder: Path) -> dict[str, str]:
    paths = [str(Path(__file__).parents[5]), *sys.path]
    return {**os.environ, "DATA_DIR": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def shard_of(folder: Path) -> Path:
    (path,) = folder.glob("tenants/*/chunks")
    return path


def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy that keeps the holes of the engine's files."""
    subprocess.run(["cp", "-a", str(folder), str(tmp_path / "data")], check=True)
    return tmp_path / "data"


def points_and_indexed(folder: Path) -> tuple[int, int]:
    shard = edge.EdgeShard.load(str(shard_of(folder)))
    try:
        return shard.info().points_count, shard.info().indexed_vectors_count
    finally:
        shard.close()


def test_points_stay_the_graph_is_built_and_the_table_says_so(
    uncompacted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(uncompacted, tmp_path)
    before = asyncio.run(everything(folder))
    points, indexed = points_and_indexed(folder)
    assert points == POINTS + 12
    compact(folder)
    after, indexed_after = points_and_indexed(folder)
    assert after == points
    assert indexed_after > indexed
    assert asyncio.run(everything(folder)) == before
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("tenant")
    # The records and the blocks of their text are points too.
    assert said[1].split()[:2] == [TENANT, f"{points + 3 + 15:,}"]


def building(shard: Path) -> bool:
    """The new segment is being made."""
    return any((shard / "temp_segments").glob("*"))


def exchanging(shard: Path) -> bool:
    """The new segment stands beside those it takes the place of."""
    return len(list((shard / "segments").iterdir())) > 2


@pytest.mark.parametrize("moment", [building, exchanging])
def test_a_kill_in_the_middle_loses_nothing(
    uncompacted: Path, tmp_path: Path, moment: Callable[[Path], bool]
) -> None:
    folder = copied(uncompacted, tmp_path)
    before = asyncio.run(everything(folder))
    process = subprocess.Popen(
        [sys.executable, "-m", "services.retrieval.admin", "compact"],
        env=environment(folder),
        stdout=subprocess.DEVNULL,
    )
    try:
        while not moment(shard_of(folder)):
            assert process.poll() is None, "it ended before its moment came"
            time.sleep(0.0005)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert points_and_indexed(folder)[0] == POINTS + 12
    assert asyncio.run(everything(folder)) == before
    compact(folder)  # and what the killed one had begun is removed
    assert not building(shard_of(folder))
    assert points_and_indexed(folder)[0] == POINTS + 12
    assert asyncio.run(everything(folder)) == before


async def test_a_service_compacts_in_a_child_and_logs_what_it_said(uncompacted: Path, tmp_path: Path) -> None:
    folder = copied(uncompacted, tmp_path)
    points, indexed = points_and_indexed(folder)
    with structlog.testing.capture_logs() as logs:
        await compact_in_child(folder)
    (event,) = logs
    assert event["event"] == "compacted"
    assert any(line.startswith(TENANT) for line in event["said"])
    after, indexed_after = points_and_indexed(folder)
    assert after == points
    assert indexed_after > indexed


async def test_a_service_goes_on_when_the_child_fails(tmp_path: Path) -> None:
    await compact_in_child(tmp_path)  # no store yet: nothing to do
    (tmp_path / "store.json").write_text("not json")
    with structlog.testing.capture_logs() as logs:
        await compact_in_child(tmp_path)
    (event,) = logs
    assert (event["event"], event["exit_code"]) == ("compact_failed", 1)
    assert "cannot be understood" in event["said"][-1]


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_the_child_of_a_killed_service_ends_and_frees_the_folder(uncompacted: Path, tmp_path: Path) -> None:
    folder = copied(uncompacted, tmp_path)
    script = f"""
import asyncio, pathlib
from services.retrieval.admin.child import compact_in_child
asyncio.run(compact_in_child(pathlib.Path({str(folder)!r})))
"""
    service = subprocess.Popen([sys.executable, "-c", script], env=environment(folder))
    try:
        while not building(shard_of(folder)):
            assert service.poll() is None, "it ended before its moment came"
            time.sleep(0.0005)
    finally:
        service.kill()
    service.wait()
    for _ in range(1000):  # much less than compacting takes
        with suppress(DocuQueryError), exclusive(folder):
            break
        time.sleep(0.002)
    assert building(shard_of(folder)), "it was not cut short"
    with exclusive(folder):
        pass


def test_one_tenant_alone_is_compacted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(tmp_path, documents=1, tenants=("acme", "zeta")))
    compact(tmp_path, "zeta")
    said = capsys.readouterr().out
    assert "zeta" in said
    assert "acme" not in said
    with pytest.raises(AdminError, match="no tenant nobody"):
        compact(tmp_path, "nobody")


def test_a_store_in_use_is_refused(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path, documents=0))
    with exclusive(tmp_path), pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
        compact(tmp_path)


def test_an_empty_store_has_nothing_to_compact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(tmp_path, documents=0))
    compact(tmp_path)
    assert "Nothing is stored" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "tenants")
    compact(tmp_path)
