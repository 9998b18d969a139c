"""Corpus revisions of a store that one process owns: counted, and gone with the process."""

from __future__ import annotations

import secrets
from collections import Counter


class EdgeRevisions:
    """Implements `CorpusRevisions`. What is kept under them is in the same process, and goes with it, too."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(8)
        self._advances: Counter[str] = Counter()

    async def current(self, tenant: str) -> str:
        return f"{self._process}-{self._advances[tenant]}"

    async def advance(self, tenant: str) -> None:
        self._advances[tenant] += 1

    async def advance_all(self) -> None:
        self._process = secrets.token_hex(8)
