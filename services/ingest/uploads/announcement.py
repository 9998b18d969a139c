"""Shows a document in the store while its bytes are still arriving."""

from __future__ import annotations

import asyncio
from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.ingest.uploads.model import Attempt, Header


class Announcer(Protocol):
    """The part of the store an announcement needs."""

    async def announce(self, header: Header) -> Attempt | None:
        """Opens an attempt on a document that is not known yet; None when the store will not need it."""
        ...

    async def renew(self, attempt: Attempt) -> None:
        """Says that the attempt goes on. Raises ATTEMPT_SUPERSEDED when it has lost its right."""
        ...


class Announcement:
    """One document's announcement, made `after_seconds` from now unless it was ended before.

    Most documents are complete by then, and cost the store nothing more. Afterwards the attempt is renewed
    every `renew_seconds`. An announcement that fails is none: beginning the attempt later says why.
    """

    def __init__(
        self, announcer: Announcer, header: Header, *, after_seconds: float, renew_seconds: float
    ) -> None:
        self._announcer = announcer
        self.header = header
        self._after_seconds = after_seconds
        self._renew_seconds = renew_seconds
        self._attempt: Attempt | None = None
        self._lost: DocuQueryError | None = None
        self._task = asyncio.create_task(self._run())

    def require_kept(self) -> None:
        """Raises ATTEMPT_SUPERSEDED when the document was deleted or uploaded anew in the meantime."""
        if self._lost is not None:
            raise self._lost

    async def end(self) -> Attempt | None:
        """Stops announcing; the attempt if there is one, which is the caller's from now on."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return None if self._lost is not None else self._attempt

    async def _run(self) -> None:
        await asyncio.sleep(self._after_seconds)
        try:
            self._attempt = await self._announcer.announce(self.header)
            while self._attempt is not None:
                await asyncio.sleep(self._renew_seconds)
                await self._announcer.renew(self._attempt)
        except DocuQueryError as error:
            if error.reason == reasons.ERROR_REASON_ATTEMPT_SUPERSEDED:
                self._lost = error
