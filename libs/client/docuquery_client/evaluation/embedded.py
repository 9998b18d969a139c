"""A system of one's own to measure: started with an empty store, and removed afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from docuquery.gateway.v1.docuquery_service_pb2 import COMPONENT_STATE_SERVING
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.stack import start_stack, wait_until_whole
from docuquery_client.supervision import StackError

# What the shell says about other systems; an empty value unsets it.
_UNSET = (
    "API_KEYS", "API_KEYS_FILE", "GATEWAY_HOST", "INGEST_HOST", "RETRIEVAL_HOST", "ANSWER_HOST",
    "RATE_LIMIT_REQUESTS",
)  # fmt: skip

_NO_MODEL = "extractive"

# The longest query retrieval takes: collections have longer ones (CISI: 2,000 characters) than people.
_DEFAULTS = {"QUESTION_MAX_CHARACTERS": "4000"}

_MEASURED = (
    "ANSWER_",
    "BM25_",
    "CHUNK_",
    "DOCUMENT_LANGUAGE",
    "EMBEDDING_",
    "ENABLE_",
    "EXTRACTIVE_",
    "OPENAI_MODEL",
    "ANTHROPIC_MODEL",
    "QUERY_RERANKING",
    "RERANK",
    "RETRIEVAL_",
    "TENANT_LANGUAGES",
    "VECTOR_STORE",
)


def measured_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that change what searches find: they belong to the result."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith(_MEASURED) and value and not name.endswith(("_HOST", "_PORT", "_TARGET", "_KEY"))
    }


@asynccontextmanager
async def embedded_system(provider: str = "") -> AsyncIterator[str]:
    """Starts the four services with their data in a temporary folder; yields the gateway's address.

    `provider` answers and nobody in its place (empty: no model, `extractive`), so that no figure mixes two.

    Settings come from this process's environment, not from `.env`. Raises StackError, or ApiError when
    the gateway does not come up whole.
    """
    with tempfile.TemporaryDirectory(prefix="docuquery-eval-") as data:
        env = {
            **{name: value for name, value in _DEFAULTS.items() if name not in os.environ},
            **dict.fromkeys(_UNSET, ""),
            "LLM_PROVIDER": provider or _NO_MODEL,
            # Sentences in the place of a model's answer would be scored as the model's.
            "EXTRACTIVE_FALLBACK": str(provider in ("", _NO_MODEL)).lower(),
            "DATA_DIR": str(Path(data, "retrieval")),
            "INGEST_SPOOL_DIR": str(Path(data, "spool")),
        }
        # In the empty folder no `.env` changes the settings.
        async with await start_stack(env, cwd=Path(data)) as stack:
            address = stack.addresses["gateway"]
            async with AsyncDocuQuery(address) as client:
                system = await wait_until_whole(client)
            if system.state != COMPONENT_STATE_SERVING:
                raise StackError("The services did not come up whole.")
            yield address
