"""How many bytes of uploads may lie on disk, in all and for one tenant."""

from __future__ import annotations

from collections import Counter

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.ingest.spool.parsed_file import FULL_DISK_MESSAGE

_TENANT_SHARE = 2
"""One tenant may fill 1/_TENANT_SHARE of the room, so that there is some for the others."""


class SpoolBudget:
    """Counts the bytes of uploads on disk; at most `max_bytes` in all, and half of it for a tenant.

    Refuses rather than waits: uploads that wait for each other's room in the middle would wait for ever.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._total = 0
        self._tenants: Counter[str] = Counter()

    @property
    def max_bytes(self) -> int:
        """How many bytes there may be in all."""
        return self._max_bytes

    @property
    def total_bytes(self) -> int:
        """Bytes on disk now."""
        return self._total

    def open(self, tenant: str) -> SpoolShare:
        """The share of a new upload, empty so far."""
        return SpoolShare(self, tenant)

    def take(self, tenant: str, size_bytes: int) -> None:
        """Counts bytes about to be written. Raises OVERLOADED, and counts nothing then."""
        if (
            self._total + size_bytes > self._max_bytes
            or self._tenants[tenant] + size_bytes > self._max_bytes // _TENANT_SHARE
        ):
            raise no_room()
        self._total += size_bytes
        self._tenants[tenant] += size_bytes

    def give_back(self, tenant: str, size_bytes: int) -> None:
        """Bytes that are gone from the disk."""
        self._total -= size_bytes
        self._tenants[tenant] -= size_bytes
        if not self._tenants[tenant]:
            del self._tenants[tenant]


class SpoolShare:
    """What one upload takes of a budget."""

    def __init__(self, budget: SpoolBudget, tenant: str) -> None:
        self._budget = budget
        self._tenant = tenant
        self._size = 0

    def grow(self, size_bytes: int) -> None:
        """Takes room for more bytes. Raises OVERLOADED."""
        self._budget.take(self._tenant, size_bytes)
        self._size += size_bytes

    def release(self) -> None:
        """Gives all of it back. Does no harm when called twice."""
        size, self._size = self._size, 0
        self._budget.give_back(self._tenant, size)


def no_room() -> DocuQueryError:
    """The disk, or the part of it that uploads may use, is full."""
    return DocuQueryError(reasons.ERROR_REASON_OVERLOADED, FULL_DISK_MESSAGE)
