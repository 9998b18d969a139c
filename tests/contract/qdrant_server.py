"""Real Qdrant servers for tests, which are skipped where there is none unless REQUIRE_EXTERNALS=1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import qdrant_server as servers
from benchmarks.qdrant_server import Servers


@contextmanager
def one_server(folder: Path, **environment: str) -> Iterator[Servers]:
    """A single node."""
    require_program()
    with servers.one_server(folder, **environment) as running:
        yield running


@contextmanager
def cluster(folder: Path, **environment: str) -> Iterator[Servers]:
    """Three nodes that form a cluster."""
    require_program()
    with servers.cluster(folder, **environment) as running:
        yield running


def require_program() -> None:
    """Skips the test where there is no server program, unless REQUIRE_EXTERNALS=1."""
    try:
        servers.find_program()
    except servers.NoServerError as error:
        if os.environ.get("REQUIRE_EXTERNALS") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
