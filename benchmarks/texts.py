"""Documents and questions drawn at random from sentences of real text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

_SENTENCE = re.compile(r"[^.!?\n]{40,200}[.!?]")
_PARAGRAPHS = 24
_PARAGRAPH_SENTENCES = 5


def sentences_of(paths: list[str]) -> list[str]:
    """The sentences of all text files below `paths`."""
    files = [file for path in paths for file in sorted(Path(path).rglob("*")) if file.is_file()]
    found = [
        match.group() for file in files for match in _SENTENCE.finditer(file.read_text("utf-8", "ignore"))
    ]
    if len(found) < 100:
        raise SystemExit("PATH holds too little text: at least 100 sentences are needed.")
    return found


def questions(sentences: list[str], rng: random.Random) -> Iterator[str]:
    """Four to nine words that stand together in some sentence, for ever."""
    while True:
        words = rng.choice(sentences).split()
        length = rng.randint(4, 9)
        start = rng.randint(0, max(0, len(words) - length))
        yield " ".join(words[start : start + length])


def document(sentences: list[str], rng: random.Random) -> str:
    """A text of 120 sentences: about 40 chunks."""
    return "\n\n".join(" ".join(rng.choices(sentences, k=_PARAGRAPH_SENTENCES)) for _ in range(_PARAGRAPHS))
