"""Years that a question writes together with letters."""

from __future__ import annotations

import re

_JOINED = re.compile(r"(?<![^\W_])(?:[^\W\d_]{1,3}((?:19|20)\d\d)|((?:19|20)\d\d)[^\W\d_]\d?)(?![^\W_])")


def with_years(question: str) -> str:
    """The question, and behind it the years of `FY2022`, `CY2022` or `2022Q3` by themselves.

    To the word index such a term is one word, and documents say `2022` a hundred times for every `FY2022`.
    """
    years = [before or behind for before, behind in _JOINED.findall(question)]
    return " ".join([question, *dict.fromkeys(years)])
