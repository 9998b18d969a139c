"""`docuquery eval` without an address: a system of its own, real figures, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

CORPUS = {
    "ferry": ("The night ferry", "It leaves Harwick at 22:40 and carries forty cars across the sound."),
    "lamp": ("Keeping the lamp", "The lighthouse lamp is trimmed at dusk; its lens came from a glassworks."),
    "bees": ("Hives in winter", "A beekeeper feeds sugar syrup in October and wraps each hive in straw."),
    "bread": ("", "Rye dough needs a sour starter. Bake the loaf for an hour in a falling oven."),
    "bridge": ("The iron bridge", "Rivets were replaced by bolts when engineers repaired the span in 1931."),
}
QUERIES = {
    "q1": ("When does the ferry leave?", {"ferry": 2}),
    "q2": ("How are bees fed in winter?", {"bees": 2, "bread": 0}),
    "q3": ("repair of the bridge", {"bridge": 1}),
    "q4": ("Which starter does rye bread need?", {"bread": 3}),
}


def collection(folder: Path) -> Path:
    folder.mkdir()
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": key, "title": a, "text": b}) + "\n" for key, (a, b) in CORPUS.items())
    )
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, (text, _) in QUERIES.items())
    )
    (folder / "qrels.tsv").write_text(
        "".join(f"{key}\t{doc}\t{n}\n" for key, (_, grades) in QUERIES.items() for doc, n in grades.items())
    )
    return folder


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder whose path is short: sockets are made in it, and their paths have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="dq") as folder:
        yield Path(folder)


def started(folder: Path, temporary: Path, *options: str) -> subprocess.Popen[str]:
    """The command at work on `folder`, with its temporary files in `temporary`."""
    paths = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-m", "docuquery_client.cli", "eval", str(folder), *options],
        env={**os.environ, "PYTHONPATH": paths, "TMPDIR": str(temporary), "CHUNK_SIZE": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_collection_is_measured_by_a_system_of_its_own(tmp_path: Path, temporary: Path) -> None:
    folder, out = collection(tmp_path / "harbour"), tmp_path / "out.json"
    process = started(folder, temporary, "--mode", "all", "--json", str(out))
    _, said = process.communicate()
    assert process.returncode == 0, said
    reports = {report["mode"]: report for report in json.loads(out.read_text())}
    for mode in ("hybrid", "dense", "sparse"):
        # Every question shares words and subject with its one document, and all five come back.
        assert reports[mode]["metrics"]["mrr@10"] == 1.0, mode
        assert reports[mode]["metrics"]["recall@100"] == 1.0, mode
    settings = reports["hybrid"]["settings"]
    assert (settings["documents"], settings["chunks"], settings["address"]) == (5, 5, None)
    assert settings["environment"]["CHUNK_SIZE"] == "300"
    assert settings["embedder"] == "local/wordllama-256"
    assert list(temporary.iterdir()) == []


@pytest.fixture
def heeded() -> Iterator[None]:
    """A child does not inherit that interrupts are ignored, as they are in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(
    tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    folder = collection(tmp_path / "harbour")
    with started(folder, temporary) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Starting a system of its own ...\n"
        process.send_signal(number)
        _, said = process.communicate()
    assert (process.returncode, said) == (130, "Interrupted.\n")
    assert list(temporary.iterdir()) == []
