"""Word pieces of a text, from a tokenizer that is asked for each distinct word once.

The model's tokenizer writes each space as `▁` and then merges letters into pieces (byte-pair encoding,
Sennrich et al. 2016). No piece has a `▁` behind a letter, and none a line end at all, so a text may be cut
there, and each word encoded alone, without any change to the result. Most words of a text have been seen
before: looking them up takes a seventh of the time that merging takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

from tokenizers import Tokenizer

_SPACE = "▁"
_WORD = re.compile(f"{_SPACE}*[^{_SPACE}\n]+|{_SPACE}+|\n")

_MAX_REMEMBERED_WORDS = 50_000
"""About 15 MB; a language's daily words and then some. When it is full it begins anew."""
_MAX_REMEMBERED_LETTERS = 64
"""Longer words (text without spaces, encoded data) are seldom seen twice."""


class WordPieces:
    """The ids of a text's word pieces. Not thread-safe."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """`tokenizer` is the model's own. Raises ValueError when its pieces may cross words."""
        if any(_SPACE in piece.lstrip(_SPACE) or "\n" in piece for piece in tokenizer.get_vocab()):
            raise ValueError("this tokenizer's pieces cross words; its texts cannot be encoded word by word")
        plan = json.loads(tokenizer.to_str())
        plan["normalizer"] = None  # which writes spaces as ▁: done here, before the text is cut
        self._tokenizer = Tokenizer.from_str(json.dumps(plan))
        self._tokenizer.no_padding()
        self._known: dict[str, list[int]] = {}

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, in its order."""
        if len(self._known) > _MAX_REMEMBERED_WORDS:
            self._known.clear()
        known = self._known
        lines = [_WORD.findall(_SPACE + text.replace(" ", _SPACE)) for text in texts]
        rare = self._learn({word for line in lines for word in line if word not in known})
        found = []
        for line in lines:
            ids: list[int] = []
            for word in line:
                ids += known.get(word) or rare[word]
            found.append(ids)
        return found

    def _learn(self, new: Collection[str]) -> dict[str, list[int]]:
        """Takes in `new` words; returns those that are too long to be kept."""
        rare: dict[str, list[int]] = {}
        for word in new:
            place = self._known if len(word) <= _MAX_REMEMBERED_LETTERS else rare
            # One at a time: a batch is spread over threads, whose start takes longer than a word.
            place[word] = self._tokenizer.encode(word, add_special_tokens=False).ids
        return rare
