"""Names of enum values as people read them."""

from __future__ import annotations

import re
from typing import Any, Protocol

from google.protobuf.descriptor import EnumDescriptor

_WORD_STARTS = re.compile(r"(?<!^)(?=[A-Z])")


class EnumType(Protocol):
    """A generated enum, `Outcome` for example."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor:
        """Its descriptor."""
        ...

    def Name(self, number: Any) -> str:
        """A value's full name; ValueError for one that is not known."""
        ...


def enum_name(enum: EnumType, value: int) -> str:
    """A value's name without its enum's prefix: `VERBATIM` of CITATION_VERDICT_VERBATIM.

    A value this client does not know, of a newer server, comes back as its number.
    """
    prefix = _WORD_STARTS.sub("_", enum.DESCRIPTOR.name).upper() + "_"
    try:
        return enum.Name(value).removeprefix(prefix)
    except ValueError:
        return str(value)
