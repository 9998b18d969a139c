"""The former embedder is had by the settings there are, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.reindexing.former import open_former
from services.retrieval.settings import Settings
from services.retrieval.store.spaces import VectorSpace
from tests.unit.services.retrieval.admin.support import HashEmbedder


class Opening:
    """Opens embedders as a server of two models would: `small` can be cut, `fixed` cannot."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int | None, str]] = []
        self.open = 0

    @asynccontextmanager
    async def __call__(self, settings: Settings) -> AsyncIterator[HashEmbedder]:
        model, dimensions = settings.embedding_model, settings.embedding_dimensions
        self.asked.append((settings.embedding_provider, model, dimensions, settings.embedding_model_path))
        if model not in ("small", "fixed", "wordllama-256") or (model == "fixed" and dimensions):
            raise DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "No such model.")
        self.open += 1
        yield HashEmbedder(f"{settings.embedding_provider}/{model}", dimensions or 16)
        self.open -= 1


def settings(provider: str) -> Settings:
    return Settings(
        embedding_provider=provider,
        embedding_model="large",
        embedding_api_key="k",
        embedding_dimensions=32,
        embedding_model_path="/models/large",
        _env_file=None,
    )


@pytest.mark.parametrize(
    ("provider", "space", "found"),
    [
        ("openai", VectorSpace("local/wordllama-256", 16, "t"), True),
        ("openai", VectorSpace("local/another", 16, "t"), False),
        ("openai", VectorSpace("openai/small", 16, "t"), True),
        ("openai", VectorSpace("openai/small", 8, "t"), True),
        ("openai", VectorSpace("openai/fixed", 16, "t"), True),
        ("openai", VectorSpace("openai/fixed", 8, "t"), False),
        ("openai", VectorSpace("openai/retired", 16, "t"), False),
        ("openai", VectorSpace("fastembed/small", 16, "t"), False),
        ("fastembed", VectorSpace("openai/small", 16, "t"), False),
        ("fastembed", VectorSpace("fastembed/small", 16, "t"), True),
    ],
)
async def test_it_is_the_local_one_or_another_model_of_the_same_provider(
    provider: str, space: VectorSpace, found: bool
) -> None:
    opening = Opening()
    async with AsyncExitStack() as stack:
        embedder = await open_former(stack, space, settings(provider), opening)
        assert (embedder is not None) == found
        if embedder is not None:
            assert (embedder.name, embedder.dimensions) == (space.embedder, space.dimensions)
            assert opening.open
    assert opening.open == 0
    assert all(path == "" for *_, path in opening.asked), "that folder holds the other model"
