"""The local embedder's work on passages, in a process of its own.

Making vectors and terms takes as long as storing them, and Python does one thing at a time in a process: done
beside, the loop that answers searches is busy for half the time, if there is a core to spare: its start alone
takes seconds of one. So it is started when much is uploaded, and a service that only answers questions never
has it.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager

import numpy as np
import structlog
from numpy.typing import NDArray

from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.parent import end_with
from services.retrieval.passage_encoder import Encoded, PassageEncoder
from services.retrieval.sparse import Bm25Encoder
from services.retrieval.store.protocol import SparseVector

log = structlog.get_logger()

START_AFTER_TEXTS = 1000
"""Texts encoded here before the process is started: loading its model takes a second of CPU time."""

_Packed = tuple[NDArray[np.float32], list[int], NDArray[np.uint32], NDArray[np.float64]]
"""Vectors; the number of terms of each text; all terms and their weights in a row. Arrays travel fast."""


class EncoderProcess:
    """Implements `PassageEncoder`: by `here` at first, later by a process, and by `here` when that fails."""

    def __init__(
        self, here: PassageEncoder, language: str, start_after_texts: int = START_AFTER_TEXTS
    ) -> None:
        self._here = here
        self._language = language
        self._start_after_texts = start_after_texts
        self._seen = 0
        self._pool: ProcessPoolExecutor | None = None
        self._started: Future[int] | None = None

    @property
    def batch_texts(self) -> int:
        return self._here.batch_texts

    @property
    def pid(self) -> int | None:
        """The process, once it is at work."""
        return self._started.result() if self._is_ready() and self._started else None

    async def encode(self, texts: Sequence[str]) -> Encoded:
        self._seen += len(texts)
        if self._pool is None and self._seen > self._start_after_texts:
            self._start()
        if self._pool is not None and self._is_ready():
            try:
                packed = await asyncio.wrap_future(self._pool.submit(_encode, list(texts)))
            except BrokenProcessPool:
                log.warning("encoder_process_died")
                self.close()
            else:
                return _unpacked(packed)
        return await self._here.encode(texts)

    def close(self) -> None:
        """Ends the process; another one is started when there is as much to do again."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool, self._started, self._seen = None, None, 0

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(
            1,
            multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(os.getpid(), self._language),
        )
        self._started = self._pool.submit(os.getpid)

    def _is_ready(self) -> bool:
        started = self._started
        if started is None or not started.done():
            return False
        if started.exception() is None:
            return True
        log.error("encoder_process_failed", error=str(started.exception()))
        self.close()
        return False


@asynccontextmanager
async def open_encoder_process(here: PassageEncoder, language: str) -> AsyncIterator[EncoderProcess]:
    """An encoder whose process ends with the block."""
    encoder = EncoderProcess(here, language)
    try:
        yield encoder
    finally:
        encoder.close()


# --- in the process ---

_embedder: LocalEmbedder
_terms: Bm25Encoder


def _prepare(parent_pid: int, language: str) -> None:
    global _embedder, _terms
    end_with(parent_pid)
    # Ctrl-C goes to every process of the terminal; only the service decides when this one stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _embedder, _terms = LocalEmbedder.load(), Bm25Encoder(language)


def _encode(texts: list[str]) -> _Packed:
    dense = _embedder.embed(texts)
    sparse = [_terms.document(text) for text in texts]
    lengths = [len(vector.indices) for vector in sparse]
    indices = np.fromiter(itertools.chain.from_iterable(v.indices for v in sparse), np.uint32, sum(lengths))
    values = np.fromiter(itertools.chain.from_iterable(v.values for v in sparse), np.float64, sum(lengths))
    return dense, lengths, indices, values


def _unpacked(packed: _Packed) -> Encoded:
    dense, lengths, indices, values = packed
    all_indices, all_values = indices.tolist(), values.tolist()
    ends = list(itertools.accumulate(lengths))
    return Encoded(
        dense,
        [
            SparseVector(tuple(all_indices[end - length : end]), tuple(all_values[end - length : end]))
            for length, end in zip(lengths, ends, strict=True)
        ],
    )
