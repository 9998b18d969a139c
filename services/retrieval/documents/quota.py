"""How much a tenant may have indexed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.model import DocumentRecord
from services.retrieval.store.protocol import Totals


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits for each tenant; 0 is none.

    A commit holds the tenant's `lock` from the count to the write, so that of two that would each fit one
    is refused. Replicas over one server do not share it: they may pass the limit by what they commit at
    the same moment.
    """

    documents: int = 0
    """Documents with a live version."""
    size_bytes: int = 0
    """Bytes of these as uploaded."""
    _locks: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock), repr=False, compare=False
    )

    def __bool__(self) -> bool:
        return bool(self.documents or self.size_bytes)

    def lock(self, tenant: str) -> asyncio.Lock:
        """Held by one commit of the tenant at a time."""
        return self._locks[tenant]

    def require_room(self, totals: Totals, record: DocumentRecord | None, size_bytes: int) -> None:
        """Raises QUOTA_EXCEEDED unless a version of `size_bytes` (0: not known yet) may go live as `record`.

        What it replaces makes room. A version no larger than the one it replaces is never refused, even
        when the limit was lowered since.
        """
        live = record.live if record else None
        replaced_bytes = live.description.size_bytes if live else 0
        if self.documents and live is None and totals.indexed_documents >= self.documents:
            raise _exceeded(f"{totals.indexed_documents} of {self.documents} documents are indexed.")
        grows_by = size_bytes - replaced_bytes
        if self.size_bytes and grows_by > 0 and totals.size_bytes + grows_by > self.size_bytes:
            raise _exceeded(
                f"{totals.size_bytes} of {self.size_bytes} bytes are indexed, and this document would add "
                f"{grows_by}."
            )


def _exceeded(facts: str) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_QUOTA_EXCEEDED,
        f"The tenant's quota is used up: {facts} Delete documents that are no longer needed, or ask the "
        "operator for a larger quota.",
    )
