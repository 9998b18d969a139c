"""Restoring a Qdrant cluster: from which nodes' snapshots, and that no two are on their way at once."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.k8s.manifests import K8S


@pytest.fixture
def snapshots() -> ModuleType:
    spec = importlib.util.spec_from_file_location("snapshots", K8S / "components/backup-qdrant/snapshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Node:
    """Notes what is restored on it; a collection is whole again after it was looked at twice.

    stuck: How many restores leave a copy half made.
    """

    def __init__(self, name: str, log: list[str], stuck: int = 0) -> None:
        self.name = name
        self.log = log
        self.looks = 0
        self.stuck = stuck
        self.half_made = False

    def restore(self, collection: str, file: Path) -> None:
        self.log.append(f"{collection} on {self.name} from {file.parent.name}")
        self.looks = 0
        self.half_made = self.stuck > 0
        self.stuck -= 1

    def shards(self, collection: str) -> dict[str, Any] | None:
        self.looks += 1
        if self.looks == 1:
            return None
        if self.looks == 2 and not self.half_made:
            self.log.append(f"{collection} whole for {self.name}")
        return {
            "local_shards": [{"state": "Active"}, {"state": "Active"}],
            "remote_shards": [{"state": "Partial" if self.half_made else "Active"}],
            "shard_transfers": [],
        }


def saved(folder: Path, *shards_of_nodes: str) -> None:
    for number, shards in enumerate(shards_of_nodes):
        place = folder / f"node-{number}"
        place.mkdir()
        with tarfile.open(place / "chunks.snapshot", "w") as snapshot:
            for name in ("config.json", *(f"{shard}/shard_config.json" for shard in shards)):
                snapshot.addfile(tarfile.TarInfo(name), io.BytesIO())


def test_where_each_node_had_everything_one_is_restored_and_the_others_follow(
    snapshots: ModuleType, tmp_path: Path
) -> None:
    saved(tmp_path, "012", "012")
    log: list[str] = []
    snapshots.restore([Node("a", log), Node("b", log)], tmp_path)
    assert log == ["chunks on a from node-0", "chunks whole for a", "chunks whole for b"]


def test_nodes_that_had_different_shards_are_restored_one_after_the_other(
    snapshots: ModuleType, tmp_path: Path
) -> None:
    saved(tmp_path, "01", "12")
    log: list[str] = []
    snapshots.restore([Node("a", log), Node("b", log)], tmp_path)
    assert [line for line in log if " on " in line] == ["chunks on a from node-0", "chunks on b from node-1"]
    assert "chunks whole for b" in log[: log.index("chunks on b from node-1")]


def test_what_leaves_copies_half_made_is_restored_again(
    snapshots: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_STUCK_SECONDS", 0.1)
    saved(tmp_path, "01")
    log: list[str] = []
    snapshots.restore([Node("a", log, stuck=2)], tmp_path)
    assert log == ["chunks on a from node-0"] * 3 + ["chunks whole for a"]
    with pytest.raises(TimeoutError, match="stay half made"):
        snapshots.restore([Node("a", log, stuck=9)], tmp_path)


def test_a_cluster_of_another_size_is_refused(snapshots: ModuleType, tmp_path: Path) -> None:
    saved(tmp_path, "0", "1")
    with pytest.raises(ValueError, match="2 nodes"):
        snapshots.restore([Node("a", [])], tmp_path)
