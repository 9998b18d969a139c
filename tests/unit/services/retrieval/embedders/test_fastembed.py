"""The adapter to fastembed, over a stand-in for the package; the contract suite takes the real one.

The stand-in has the constructor and the methods that fastembed 0.9 documents, and nothing of a model.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.embedders.fastembed import open_fastembed


class TextEmbedding:
    """Vectors of length 3 along one axis: passages along the first, questions along the second."""

    made_with: dict[str, Any]
    batches: list[int]
    thread = ""
    value = 5.0

    def __init__(self, model_name: str, **options: Any) -> None:
        if options["specific_model_path"] is None and options["local_files_only"]:
            raise ValueError(f"Could not load model {model_name} from any source.")
        type(self).made_with = {"model_name": model_name, **options}
        type(self).batches = []

    @classmethod
    def get_embedding_size(cls, model_name: str) -> int:
        if model_name == "unknown":
            raise ValueError("not supported")
        return 3

    def passage_embed(self, texts: list[str]) -> Iterator[NDArray[np.float32]]:
        type(self).batches.append(len(texts))
        type(self).thread = threading.current_thread().name
        for _ in texts:
            yield np.array([self.value, 0, 0], dtype=np.float32)

    def query_embed(self, query: list[str]) -> Iterator[NDArray[np.float32]]:
        for _ in query:
            yield np.array([0, self.value, 0], dtype=np.float32)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> type[TextEmbedding]:
    module = ModuleType("fastembed")
    fresh = type("TextEmbedding", (TextEmbedding,), {})
    module.TextEmbedding = fresh  # type: ignore[attr-defined]  # a module made by hand
    monkeypatch.setitem(sys.modules, "fastembed", module)
    return fresh


async def failure(**arguments: Any) -> str:
    with pytest.raises(DocuQueryError) as caught:
        async with open_fastembed(**arguments):
            pass
    assert caught.value.reason == reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE
    return caught.value.message


async def test_a_model_is_read_from_its_folder_and_never_fetched(
    package: type[TextEmbedding], tmp_path: Path
) -> None:
    async with open_fastembed("some/model", tmp_path) as embedder:
        assert (embedder.name, embedder.dimensions) == ("fastembed/some/model", 3)
    assert package.made_with == {
        "model_name": "some/model",
        "specific_model_path": str(tmp_path),
        "local_files_only": True,
    }


async def test_it_may_be_fetched_when_that_was_asked_for(package: type[TextEmbedding]) -> None:
    async with open_fastembed("some/model", may_download=True):
        assert package.made_with["local_files_only"] is False


async def test_vectors_are_normalised_made_in_a_thread_and_in_batches(
    package: type[TextEmbedding], tmp_path: Path
) -> None:
    async with open_fastembed("some/model", tmp_path) as embedder:
        vectors = await embedder.embed_passages(["text"] * 40)
        assert vectors.tolist() == [[1.0, 0.0, 0.0]] * 40
        assert (await embedder.embed_query("text")).tolist() == [0.0, 1.0, 0.0]
        assert sum(package.batches) == 40
        assert max(package.batches) <= embedder.batch_texts
        assert package.thread.startswith("fastembed")


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
async def test_vectors_that_mean_nothing_are_refused(
    package: type[TextEmbedding], tmp_path: Path, value: float
) -> None:
    package.value = value
    async with open_fastembed("some/model", tmp_path) as embedder:
        with pytest.raises(DocuQueryError, match="cannot be used"):
            await embedder.embed_passages(["text"])


async def test_what_is_missing_is_named(package: type[TextEmbedding], tmp_path: Path) -> None:
    assert "EMBEDDING_DOWNLOAD" in await failure(model="some/model")
    assert "EMBEDDING_MODEL" in await failure(model="unknown", folder=tmp_path)
    assert "no folder" in await failure(model="some/model", folder=tmp_path / "nowhere")


async def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    assert "docuquery[fastembed]" in await failure()
