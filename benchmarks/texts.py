"""Documents and questions drawn at random from sentences of real text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SENTENCE = re.compile(r"[^.!?\n]{40,200}[.!?]")
_PARAGRAPHS = 24
_PARAGRAPH_SENTENCES = 5


def sentences_of(paths: list[str]) -> list[str]:
    """The sentences of all text files (UTF-8) among and below `paths`."""
    found = [match.group() for text in _texts(paths) for match in _SENTENCE.finditer(text)]
    if len(found) < 100:
        raise SystemExit("PATH holds too little text: at least 100 sentences are needed.")
    return found


def _texts(paths: list[str]) -> Iterator[str]:
    for path in map(Path, paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                with suppress(UnicodeDecodeError):  # not a text
                    yield file.read_text("utf-8")


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
