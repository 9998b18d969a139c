"""Whoever installs the client gets its types."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["docuquery_client", "docuquery"])
def test_client_and_messages_are_marked_as_typed(package: str) -> None:
    """Type checkers take everything of a package without this file for Any."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    assert any(Path(folder, "py.typed").is_file() for folder in spec.submodule_search_locations)
