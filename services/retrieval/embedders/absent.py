"""In the place of an embedder that cannot be had: every question to it is answered by words instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError


class AbsentEmbedder:
    """Implements `Embedder`: raises EMBEDDER_UNAVAILABLE, as one does that is down."""

    batch_texts = 1

    def __init__(self, name: str, dimensions: int) -> None:
        self.name = name
        self.dimensions = dimensions

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:  # noqa: ARG002 # as the seam has it
        raise self._absent()

    async def embed_query(self, text: str) -> NDArray[np.float32]:  # noqa: ARG002 # as the seam has it
        raise self._absent()

    def _absent(self) -> DocuQueryError:
        return DocuQueryError(
            reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE,
            f"The store is being embedded anew, and {self.name}, by which it is searched until then, is no "
            "longer set. Search by words until it has switched over.",
        )
