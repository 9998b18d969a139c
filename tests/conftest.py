"""What several suites share: real servers, started once."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.contract.store_targets import Targets

# How long an example takes says how busy the machine is.
settings.register_profile("unhurried", deadline=None, max_examples=50)
settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps what is there to stay, some thousand tests and their imports, out of garbage collections.

    Looked through in the middle of a test it stops that for half a second, longer than some timers.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    """The stores there are to test."""
    with Targets(tmp_path_factory.mktemp("qdrant")) as targets:
        yield targets
