"""From bytes to text: byte order marks, declared encodings, UTF-8, then a guess that must be convincing."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from services.ingest.parsers.errors import ParseError

# Longest first: the UTF-32 mark begins with the UTF-16 one.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_GUESS_BYTES = 64 * 1024
"""What the guess looks at: its time grows with every byte, its certainty no longer."""

# Encodings people still meet. The guesser knows forty more and sometimes prefers a rare sibling of the
# right one (ISO 8859-10 for a Polish text in ISO 8859-2).
_GUESSES = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874",
    "iso8859_2", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9",
    "koi8_r", "koi8_u", "mac_roman", "mac_cyrillic", "cp437", "cp850", "cp852", "cp866", "cp500",
    "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949", "johab",
]  # fmt: skip

_THRESHOLDS = (0.2, 0.35)
"""How much disorder (0 to 1, charset-normalizer's measure) a guess may show: its default, then more."""

_C1_BYTES = re.compile(rb"[\x80-\x9f]")

_MOST_DAMAGE = 0.001
"""Share of characters that may be undecodable when an encoding is otherwise certain."""

_PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MOST_CONTROL = 0.01


def decode(data: bytes, declared: str = "") -> str:
    """The text of `data`.

    `declared` is the encoding the document itself names, empty when it names none; it is believed when
    the bytes decode with it and no byte order mark says otherwise.
    Raises ParseError UNKNOWN_TEXT_ENCODING when nothing fits.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _certain(data[len(mark) :], name)
    wide = wide_encoding(data)
    if wide:
        return _certain(data, wide)
    for name in ("utf-8", declared):
        text = _strict(data, name)
        if text is not None:
            return text
    if _almost_utf8(data):
        return data.decode("utf-8", "replace")
    text = _guessed(data)
    if text is None or len(_CONTROL.findall(text)) > len(text) * _MOST_CONTROL:
        raise unknown_encoding()
    return text


def unknown_encoding() -> ParseError:
    """No encoding fits the bytes."""
    return ParseError(
        "UNKNOWN_TEXT_ENCODING",
        "The text's encoding could not be told. Save the file as UTF-8 and upload it again.",
    )


def wide_encoding(data: bytes) -> str:
    """UTF-16 or UTF-32 without a byte order mark, told by where its zero bytes stand; else empty."""
    head = data[:4096]
    if len(head) < 4 or b"\0" not in head:
        return ""
    quarter = max(1, len(head) // 4)
    zeros = [head[offset::4].count(0) / quarter for offset in range(4)]
    if min(zeros[1:]) > 0.9 and zeros[0] < 0.1:
        return "utf-32-le"
    if min(zeros[:3]) > 0.9 and zeros[3] < 0.1:
        return "utf-32-be"
    # Western text: every other byte is zero. Other scripts: those of spaces and line ends are; the rest of
    # their bytes are no printable ASCII, unlike those of an ASCII text with a few stray zeros.
    even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
    ascii_share = len(_PRINTABLE.findall(head)) / len(head)
    for name, share, other in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if (
            share > (0.02 if ascii_share < 0.6 else 0.6)
            and other < 0.005
            and _strict(head[: len(head) & ~1], name, final=False) is not None
        ):
            return name
    return ""


def _strict(data: bytes, name: str, *, final: bool = True) -> str | None:
    if not name:
        return None
    try:
        # Python's own alias table does not know every label the web uses; unknown ones are guessed.
        return codecs.getincrementaldecoder(name)("strict").decode(data, final)
    except (LookupError, UnicodeError):
        return None


def _certain(data: bytes, name: str) -> str:
    text = data.decode(name, "replace")
    if text.count("\ufffd") > max(1, len(text) * _MOST_DAMAGE):
        raise unknown_encoding()
    return text


def _almost_utf8(data: bytes) -> bool:
    """Whether this is UTF-8 with a little damage: what is not ASCII is mostly valid sequences."""
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    foreign = sum(1 for character in text[:100_000] if character > "\x7f")
    return damaged <= len(text) * _MOST_DAMAGE and damaged * 20 <= foreign


def _guessed(data: bytes) -> str | None:
    sample = data[:_GUESS_BYTES]
    for threshold in _THRESHOLDS:
        best = from_bytes(sample, cp_isolation=_GUESSES, threshold=threshold, enable_fallback=False).best()
        if best is not None:
            break
    else:
        return None
    name = best.encoding
    if name == "cp1250" and not _C1_BYTES.search(sample) and _strict(sample, "iso8859_2") is not None:
        # The two differ where Czech, Slovak, Slovene and Polish write s, z and t with a hook: windows-1250
        # keeps these letters below 0xA0, so a text without a single such byte is ISO 8859-2.
        name = "iso8859_2"
    text = _strict(data, name)
    if text is None:
        text = data.decode(name, "replace")
        if text.count("\ufffd") > max(1, len(text) * _MOST_DAMAGE):
            return None
    return text
