"""How many calls a caller may make, by the rate class of its key. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class RateClasses:
    """Calls per window."""

    default: int = 0
    """For keys without a class, and callers without a key; 0: no limit."""
    named: Mapping[str, int] = field(default_factory=dict)

    def limit_of(self, rate_class: str) -> int:
        """Calls per window of a class; 0: no limit. A class that is not known has the default."""
        return self.named.get(rate_class, self.default)

    @property
    def limits_anybody(self) -> bool:
        """Whether there is any limit at all."""
        return self.default > 0 or any(limit > 0 for limit in self.named.values())


def parse_rate_classes(text: str) -> dict[str, int]:
    """RATE_LIMIT_CLASSES, as `free=10,batch=1000`. Raises ValueError."""
    named: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if not _NAME.match(name) or not number.isascii() or not number.isdigit():
            raise ValueError(f"must look like `free=10,batch=1000`, which {part!r} does not")
        if name in named:
            raise ValueError(f"names {name!r} twice")
        named[name] = int(number)
    return named
