"""Cross-encoders on this machine's processor, by the package fastembed (the extra `fastembed`).

A transformer reads question and passage together: by far the best order, at 5 to 20 ms a passage. The
model's files come from a folder, or from fastembed's own cache (FASTEMBED_CACHE_PATH). Nothing is downloaded
unless that was asked for.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog

from services.retrieval.indexing.indexer import contextual_text
from services.retrieval.rerankers.protocol import Candidate, RerankError, RerankQuery

log = structlog.get_logger()

DEFAULT_MODEL = "Xenova/ms-marco-MiniLM-L-6-v2"

_BATCH_TEXTS = 8
"""Between two batches an abandoned request is noticed."""


class Model(Protocol):
    """What is used of fastembed's `TextCrossEncoder`."""

    def rerank(self, query: str, documents: list[str], batch_size: int) -> Iterable[float]:
        """One score a document; higher is better."""
        ...


class CrossEncoder:
    """Implements `Reranker`. Build with `open_cross_encoder`. Scores are the model's logits."""

    minimum_seconds = 0.3
    default_candidates = 50

    def __init__(self, model: Model, thread: Executor) -> None:
        """`thread` must be a single one."""
        self._model = model
        self._thread = thread

    async def rerank(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        texts = [contextual_text(candidate.chunk) for candidate in candidates]
        given_up = threading.Event()

        def work() -> list[float]:
            scores: list[float] = []
            for start in range(0, len(texts), _BATCH_TEXTS):
                if given_up.is_set():
                    break
                batch = texts[start : start + _BATCH_TEXTS]
                scores += map(float, self._model.rerank(query.text, batch, batch_size=_BATCH_TEXTS))
            return scores

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Exception as error:  # of fastembed or the ONNX runtime: any class
            raise RerankError(f"the model failed: {error!r}") from error
        finally:
            given_up.set()


@asynccontextmanager
async def open_cross_encoder(
    model: str = DEFAULT_MODEL, folder: Path | None = None, *, may_download: bool = False
) -> AsyncIterator[CrossEncoder]:
    """Loads a model; `folder` holds its files, None is fastembed's cache.

    Raises ValueError, with what to do, when the package or the model is not there.
    """
    try:
        package = importlib.import_module("fastembed.rerank.cross_encoder")
    except ImportError as error:
        raise ValueError(
            "RERANKER is cross-encoder, which needs fastembed. Install docuquery[fastembed]."
        ) from error

    def load() -> Model:
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(folder)
        path = str(folder) if folder else None
        loaded: Model = package.TextCrossEncoder(
            model_name=model, specific_model_path=path, local_files_only=not may_download
        )
        return loaded

    with ThreadPoolExecutor(1, "cross-encoder") as thread:
        try:
            loaded = await asyncio.get_running_loop().run_in_executor(thread, load)
        except Exception as error:  # of fastembed, the hub's client or the ONNX runtime: any class
            log.error("rerank_model_not_loaded", model=model, error=repr(error))
            place = f"the folder {folder}" if folder else "fastembed's cache (FASTEMBED_CACHE_PATH)"
            raise ValueError(
                f"The model {model} could not be loaded from {place}. Set RERANK_MODEL to one that fastembed "
                "supports and RERANK_MODEL_PATH to the folder of its files, or RERANK_DOWNLOAD=true to have "
                "them downloaded."
            ) from error
        yield CrossEncoder(loaded, thread)
