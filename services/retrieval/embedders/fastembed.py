"""Transformer models on this machine's processor, by the package fastembed (the extra `fastembed`).

The model's files come from a folder, or from fastembed's own cache (FASTEMBED_CACHE_PATH). Nothing is
downloaded unless that was asked for.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.embedders.texts import refuse_blank

log = structlog.get_logger()

DEFAULT_MODEL = "BAAI/bge-small-en-v1.5"

_BATCH_TEXTS = 16
"""What two processors embed in about a tenth of a second: a question waits no longer than that."""

Vectors = Iterable[NDArray[np.float32]]


class Model(Protocol):
    """What is used of `fastembed.TextEmbedding`."""

    def passage_embed(self, texts: list[str]) -> Vectors:
        """One vector a text."""
        ...

    def query_embed(self, query: list[str]) -> Vectors:
        """One vector a question."""
        ...


class FastEmbedder:
    """Implements `Embedder`. Build with `open_fastembed`."""

    def __init__(self, name: str, dimensions: int, model: Model, thread: Executor) -> None:
        """`thread` must be a single one."""
        self.name = f"fastembed/{name}"
        self.dimensions = dimensions
        self.batch_texts = _BATCH_TEXTS
        self._model = model
        self._thread = thread

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        refuse_blank(texts)
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _BATCH_TEXTS):
            batch = list(texts[start : start + _BATCH_TEXTS])
            vectors[start : start + len(batch)] = await self._run(self._model.passage_embed, batch)
        return vectors

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        refuse_blank((text,))
        vector: NDArray[np.float32] = (await self._run(self._model.query_embed, [text]))[0]
        return vector

    async def _run(self, embed: Callable[[list[str]], Vectors], texts: list[str]) -> NDArray[np.float32]:
        def work() -> NDArray[np.float32]:
            vectors = np.stack(list(embed(texts))).astype(np.float32)
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            if (
                vectors.shape != (len(texts), self.dimensions)
                or not (np.isfinite(lengths) & (lengths > 0)).all()
            ):
                raise _unavailable(
                    f"The model {self.name} gives vectors that cannot be used. Choose another."
                )
            normalised: NDArray[np.float32] = vectors / lengths
            return normalised

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@asynccontextmanager
async def open_fastembed(
    model: str = DEFAULT_MODEL, folder: Path | None = None, *, may_download: bool = False
) -> AsyncIterator[FastEmbedder]:
    """Loads a model; `folder` holds its files, None is fastembed's cache.

    Raises EMBEDDER_UNAVAILABLE, with what to do, when the package or the model is not there.
    """
    try:
        package = importlib.import_module("fastembed")
    except ImportError as error:
        raise _unavailable(
            "EMBEDDING_PROVIDER is fastembed, which is not installed. Install docuquery[fastembed]."
        ) from error

    def load() -> tuple[Model, int]:
        if folder is not None and not folder.is_dir():
            raise _unavailable(f"EMBEDDING_MODEL_PATH is {folder}, which is no folder.")
        dimensions = package.TextEmbedding.get_embedding_size(model)
        path = str(folder) if folder else None
        loaded = package.TextEmbedding(
            model_name=model, specific_model_path=path, local_files_only=not may_download
        )
        return loaded, dimensions

    with ThreadPoolExecutor(1, "fastembed") as thread:
        try:
            loaded, dimensions = await asyncio.get_running_loop().run_in_executor(thread, load)
        except DocuQueryError:
            raise
        except Exception as error:  # of fastembed, the hub's client or the ONNX runtime: any class
            log.error("embedding_model_not_loaded", model=model, error=repr(error))
            place = f"the folder {folder}" if folder else "fastembed's cache (FASTEMBED_CACHE_PATH)"
            raise _unavailable(
                f"The model {model} could not be loaded from {place}. Set EMBEDDING_MODEL to one that "
                "fastembed supports and EMBEDDING_MODEL_PATH to the folder of its files, or "
                "EMBEDDING_DOWNLOAD=true to have them downloaded."
            ) from error
        yield FastEmbedder(model, dimensions, loaded, thread)


def _unavailable(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, message)
