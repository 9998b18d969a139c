"""What several suites share: real servers, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.contract.store_targets import Targets

# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None, max_examples=50)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    """The stores there are to test."""
    with Targets(tmp_path_factory.mktemp("qdrant")) as targets:
        yield targets
