"""The cosine an embedder gives texts that have nothing to do with each other: the zero of its scale.

Embedders differ: some give such texts a cosine about 0, some .7. So it is measured, once: the mean over pairs
of the questions and the statements below, none of which answers any.
"""

from __future__ import annotations

import asyncio
from contextvars import Context

import numpy as np
import structlog

from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.retrieval.embedders.protocol import Embedder

log = structlog.get_logger()

_QUESTIONS = (
    "When does the last train to the coast leave?",
    "Which paint withstands sea water?",
    "Who may approve a purchase order?",
    "How long must bread dough rest?",
)
_STATEMENTS = (
    "The parliament dissolved itself after the vote of no confidence in spring.",
    "Male penguins keep the egg warm on their feet through the polar winter.",
    "The violin concerto was first performed by a pupil of the composer.",
    "A patch for the scheduler reduced the number of context switches.",
    "The patient was given antibiotics before the operation on the knee.",
    "Sandstone is porous, so rain seeps through it into the caves below.",
    "Our striker missed a penalty in the eighty-ninth minute of the final.",
    "The museum lends three landscapes in oil to a gallery abroad.",
)


_PATIENCE_SECONDS = 1.0
"""How long from its beginning searches wait for it: by then a remote embedder has answered, or is ill."""
_SHARE = 0.25
"""Of a search's time, at most: the rest is for searching."""


class Unrelated:
    """Measures one embedder, when first asked."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._measuring: asyncio.Task[float] | None = None
        self._wait_until = 0.0

    async def cosine(self, deadline: Deadline) -> float:
        """-1 to 1; 0 as long as it is not known: the embedder cannot be reached, or takes too long.

        The first is tried again next time, the second goes on meanwhile.
        """
        if self._measuring is not None and self._measuring.done():
            return self._measuring.result()
        now = deadline.clock.monotonic()
        if self._measuring is None:
            # In a context of its own: it is for all, and a remote embedder heeds the deadline of its caller.
            self._measuring = asyncio.create_task(self._measure(), context=Context())
            self._wait_until = now + _PATIENCE_SECONDS
        allowed = deadline.slice(share=_SHARE, cap=max(0.0, self._wait_until - now))
        try:
            async with asyncio.timeout(allowed):
                # Others wait for the same: whoever stops waiting stops nobody else.
                return await asyncio.shield(self._measuring)
        except TimeoutError:
            return 0.0

    async def _measure(self) -> float:
        try:
            statements, *questions = await asyncio.gather(
                self._embedder.embed_passages(_STATEMENTS), *map(self._embedder.embed_query, _QUESTIONS)
            )
        except Exception as error:
            self._measuring = None
            if not isinstance(error, DocuQueryError):
                raise
            log.info("unrelated_not_measured", reason=error.reason_name)
            return 0.0
        return float(np.mean(np.stack(questions) @ statements.T))
