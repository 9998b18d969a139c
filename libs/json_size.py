"""How large a caller's metadata is as JSON, without writing out what is far too large."""

from __future__ import annotations

from google.protobuf.json_format import MessageToJson, SerializeToJsonError
from google.protobuf.struct_pb2 import Struct

from libs.text import utf8_length

_SHRINKS = 4
"""A number of a list takes 11 bytes in protobuf, 5 or more with its comma in JSON; nothing shrinks more."""


def fits_as_json(value: Struct, max_bytes: int) -> bool:
    """Whether `value` has at most so many bytes as JSON. Raises ValueError: a number is NaN or infinite.

    Writing out megabytes takes a second, in which an event loop serves nobody.
    """
    if value.ByteSize() > _SHRINKS * max_bytes:
        return False
    try:
        return utf8_length(MessageToJson(value, indent=None, ensure_ascii=False)) <= max_bytes
    except SerializeToJsonError as error:
        raise ValueError(str(error)) from None
