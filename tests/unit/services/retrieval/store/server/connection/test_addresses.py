"""QDRANT_URL: one node or several."""

from __future__ import annotations

import pytest

from services.retrieval.store.server.connection.addresses import Address, parse_addresses


def test_several_nodes_with_and_without_ports_and_tls() -> None:
    assert parse_addresses("http://a:1234, https://b.example ,http://[::1]:7/") == (
        Address("a:1234", False),
        Address("b.example:6334", True),
        Address("[::1]:7", False),
    )


@pytest.mark.parametrize("urls", ["", " , ", "a:6334", "grpc://a", "http://", "http://a/path"])
def test_anything_else_is_refused(urls: str) -> None:
    with pytest.raises(ValueError, match=r"http://host:6334"):
        parse_addresses(urls)
