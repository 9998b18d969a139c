"""The cache gives back what it was given, forgets what is old, and never stands in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from libs.clock import ManualClock
from services.retrieval.embedders.cache import VectorCache, text_key

DIMENSIONS = 64
HOUR = 3600.0


def vector(seed: int, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).normal(size=dimensions)
    return (found / np.linalg.norm(found)).astype(np.float32)


def key(number: int) -> bytes:
    return text_key("m", f"text {number}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "cache.sqlite3"


@pytest.fixture
def cache(path: Path, clock: ManualClock) -> Iterator[VectorCache]:
    opened = VectorCache(path, 2**20, clock)
    yield opened
    opened.close()


def test_vectors_come_back_of_length_one_and_hardly_changed(cache: VectorCache) -> None:
    stored = {key(i): vector(i) for i in range(1200)}
    cache.put(stored)
    found = cache.get([*stored, key(9999)], DIMENSIONS)
    assert found.keys() == stored.keys()
    question = vector(5000)
    for name, value in stored.items():
        assert found[name].dtype == np.float32
        assert np.linalg.norm(found[name]) == pytest.approx(1.0, abs=1e-6)
        assert found[name] @ question == pytest.approx(value @ question, abs=1e-4)


def test_vectors_of_other_dimensions_are_not_there(cache: VectorCache) -> None:
    cache.put({key(1): vector(1, 32)})
    assert cache.get([key(1)], DIMENSIONS) == {}


def test_a_key_is_of_model_and_text() -> None:
    assert len({text_key("m", "a"), text_key("n", "a"), text_key("m", "b"), text_key("ma", "")}) == 4
    assert text_key("m", "\ud800")


def test_no_text_is_in_the_file(cache: VectorCache, path: Path) -> None:
    cache.put({text_key("m", "the secret sentence"): vector(1)})
    cache.close()
    assert b"secret" not in path.read_bytes()


def test_the_file_is_bounded_and_what_was_used_last_stays(path: Path, clock: ManualClock) -> None:
    cache = VectorCache(path, 300_000, clock)
    for start in range(0, 4000, 100):
        clock.advance(HOUR)
        assert key(0) in cache.get([key(0)], DIMENSIONS) or start == 0
        cache.put({key(i): vector(i) for i in range(start, start + 100)})
    assert cache.get([key(3999)], DIMENSIONS)
    assert not cache.get([key(150)], DIMENSIONS), "unused since the beginning"
    cache.close()
    assert path.stat().st_size < 400_000


def test_it_is_there_after_a_restart(cache: VectorCache, path: Path, clock: ManualClock) -> None:
    cache.put({key(1): vector(1)})
    cache.remember_dimensions("m", DIMENSIONS)
    cache.close()
    again = VectorCache(path, 2**20, clock)
    assert again.get([key(1)], DIMENSIONS)
    assert again.dimensions("m") == DIMENSIONS
    assert again.dimensions("n") is None
    again.close()


def test_a_damaged_file_is_begun_anew(path: Path, clock: ManualClock) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 1000)
    cache = VectorCache(path, 2**20, clock)
    cache.put({key(1): vector(1)})
    assert cache.get([key(1)], DIMENSIONS)
    cache.close()


def test_a_file_that_cannot_be_opened_is_a_miss(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = VectorCache(tmp_path / "file" / "cache.sqlite3", 2**20, clock)
    cache.put({key(1): vector(1)})
    cache.remember_dimensions("m", 3)
    assert cache.get([key(1)], DIMENSIONS) == {}
    assert cache.dimensions("m") is None
    cache.close()


WRITER = """
import sys
from pathlib import Path
from libs.clock import SystemClock
from services.retrieval.embedders.cache import VectorCache
from tests.unit.services.retrieval.embedders.test_cache import key, vector
cache = VectorCache(Path(sys.argv[1]), 2**26, SystemClock())
for i in range(10**6):
    cache.put({key(10 * i + j): vector(j) for j in range(10)})
    print(i, flush=True)
"""


def test_a_killed_process_loses_nothing_it_had_put(path: Path, clock: ManualClock) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    done = -1
    for line in process.stdout:
        done = int(line)
        if done >= 20:
            break
    process.send_signal(signal.SIGKILL)
    done = max([done, *(int(line) for line in process.stdout.read().split())])
    process.stdout.close()
    process.wait()
    cache = VectorCache(path, 2**26, clock)
    assert len(cache.get([key(i) for i in range(10 * (done + 1))], DIMENSIONS)) == 10 * (done + 1)
    cache.close()
