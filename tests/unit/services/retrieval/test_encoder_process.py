"""What a process beside makes is what this one makes, and its end costs nothing."""

from __future__ import annotations

import asyncio
import os
import signal

import numpy as np
import pytest

from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.encoder_process import EncoderProcess, open_encoder_process
from services.retrieval.passage_encoder import PlainEncoder
from services.retrieval.sparse import Bm25Encoder

TEXTS = ["The café opens at 8.", "ERR-4512: see § 12.3", "漢字かな交じり文。", "of the and"] * 3


@pytest.fixture(scope="module")
def plain() -> PlainEncoder:
    return PlainEncoder(LocalEmbedder.load(), Bm25Encoder("english"))


async def at_work(encoder: EncoderProcess) -> int:
    """Encodes until the process does it; returns its pid."""
    async with asyncio.timeout(60):
        while (pid := encoder.pid) is None:
            await encoder.encode(TEXTS)
            await asyncio.sleep(0.05)
    return pid


async def test_the_process_gives_what_this_one_gives_and_may_die(plain: PlainEncoder) -> None:
    expected = await plain.encode(TEXTS)
    async with open_encoder_process(plain, "english") as encoder:
        assert (await encoder.encode(TEXTS)).sparse == expected.sparse
        assert encoder.pid is None, "a few texts start nothing"
    encoder = EncoderProcess(plain, "english", start_after_texts=10)
    try:
        pid = await at_work(encoder)
        assert pid != os.getpid()
        batches = await asyncio.gather(*(encoder.encode(TEXTS) for _ in range(5)))
        for encoded in batches:
            assert encoded.sparse == expected.sparse
            assert encoded.dense == pytest.approx(expected.dense, abs=1e-6)
        os.kill(pid, signal.SIGKILL)
        assert np.array_equal((await encoder.encode(TEXTS)).dense, expected.dense)
        assert await at_work(encoder) != pid
    finally:
        encoder.close()
