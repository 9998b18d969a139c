"""Offsets in two units: Unicode code points (Python's) and UTF-8 bytes (most other languages')."""

from __future__ import annotations

_STRIDE = 256


def utf8_length(text: str) -> int:
    """Bytes of `text` in UTF-8. Unpaired surrogates count as the 3 bytes they would take."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class ByteOffsets:
    """Turns code point positions of one text into UTF-8 byte positions.

    Keeps one mark per 256 characters: building is linear, a look-up encodes at most 255 characters.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._ascii = text.isascii()
        self._marks: list[int] = []
        if not self._ascii:
            position = 0
            for start in range(0, len(text) + 1, _STRIDE):
                self._marks.append(position)
                position += utf8_length(text[start : start + _STRIDE])

    def at(self, char_index: int) -> int:
        """The byte index of the character at `char_index` (0 to len(text), both included).

        Raises IndexError outside that range.
        """
        if not 0 <= char_index <= len(self._text):
            raise IndexError(f"character {char_index} of a text of {len(self._text)}")
        if self._ascii:
            return char_index
        mark, rest = divmod(char_index, _STRIDE)
        start = mark * _STRIDE
        return self._marks[mark] + utf8_length(self._text[start : start + rest])
