"""What tests of the running services share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from docuquery_client.ports import free_ports
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
    return free_ports(1)[0]
