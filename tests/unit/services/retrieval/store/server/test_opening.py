"""Opening the store on a Qdrant server."""

from __future__ import annotations

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import SystemClock
from libs.errors import DocuQueryError
from services.retrieval.store.server.connection.addresses import parse_addresses
from services.retrieval.store.server.layout import Layout
from services.retrieval.store.server.opening import ServerOptions, open_server
from services.retrieval.store.spaces import VectorSpace


async def test_a_server_that_is_not_there_is_told_by_address_and_setting() -> None:
    options = ServerOptions(
        addresses=parse_addresses("http://127.0.0.1:1,http://localhost:2"),
        api_key="",
        collection_prefix="none",
        layout=Layout(replication_factor=1, write_consistency_factor=1, shard_number=1),
        timeout_seconds=0.2,
    )
    with pytest.raises(DocuQueryError, match=r"127\.0\.0\.1:1, localhost:2 .* QDRANT_URL") as caught:
        async with open_server(options, VectorSpace("local/x", 2, "bm25/english"), SystemClock()):
            pass
    assert caught.value.reason == reasons.ERROR_REASON_STORE_UNAVAILABLE
