"""What tests of the running services share."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.store_targets import ENGINES, Targets


@pytest.fixture(params=ENGINES)
async def store(
    request: pytest.FixtureRequest, targets: Targets, tmp_path: Path
) -> AsyncIterator[dict[str, Any]]:
    """Settings of the retrieval service for an empty store, on each engine in turn."""
    engine = str(request.param)
    async with targets.fresh(engine, tmp_path, "rpc") as place:
        yield targets.settings(engine, place)


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])
