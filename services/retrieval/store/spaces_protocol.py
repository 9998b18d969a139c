"""What a change to another vector space asks of a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from services.retrieval.store.progress import FillProgress, ReindexStatus
from services.retrieval.store.protocol import ChunkStore
from services.retrieval.store.spaces import KeptSpaces, VectorSpace


class Lacking(Protocol):
    """Which chunks of one space have not got both vectors yet."""

    async def known_complete(self, tenant: str) -> Mapping[str, int]:
        """How many chunks of each attempt have both, for attempts of which that can be told at once."""
        ...

    async def lacking(self, tenant: str) -> Sequence[str]:
        """Attempts with chunks that lack one."""
        ...

    async def tenants_lacking(self) -> Sequence[str]:
        """Tenants that may have such chunks; an engine may leave out those that were not used yet."""
        ...


class Spaces(Protocol):
    """The vector spaces of an opened store."""

    @property
    def own(self) -> VectorSpace:
        """That of this process' settings."""
        ...

    @property
    def kept(self) -> KeptSpaces:
        """All that this process writes to; what others change is known within seconds."""
        ...

    @property
    def is_changing(self) -> bool:
        """Whether the store has another space than the current one, also one this process leaves alone."""
        ...

    async def refresh(self) -> None:
        """Learns at once what other processes have changed."""
        ...

    def chunks(self, space: VectorSpace) -> ChunkStore:
        """The chunks in one of `kept`."""
        ...

    @property
    def own_lacking(self) -> Lacking:
        """What lacks a vector in `own`."""
        ...

    async def switch(self, filled: Mapping[str, Collection[str]]) -> bool:
        """Makes `own` the current space, by one write.

        `filled`: tenant → attempts of which all chunks are in it. Where nobody else writes the store: False,
        and nothing has changed, when a document is missing that is not among them; and no task comes between
        the look and the write. Where others write, they see to what they add themselves.
        """
        ...

    async def is_indexed(self) -> bool:
        """Whether the engine has built the indexes it means to build for `own`."""
        ...

    async def drop_others(self) -> None:
        """Keeps the current space only, and deletes the chunks of the others.

        Raises STORE_MISMATCH while another process searches one of them.
        """
        ...

    async def tell(self, progress: FillProgress) -> None:
        """Lets everybody know how far the filling of `own` is."""
        ...

    async def status(self) -> ReindexStatus | None:
        """The change that is under way, whoever works at it; None when there is none."""
        ...
