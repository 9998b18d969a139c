"""From bytes to text."""

from __future__ import annotations

import random

import pytest

from services.ingest.parsers.encoding import decode, wide_encoding
from services.ingest.parsers.errors import ParseError

TEXTS = {
    "cp1252": "Über die Größe der Straßen wird später entschieden, sagte der Bürgermeister. ",
    "cp1251": "Отпуск составляет двадцать восемь календарных дней в году для каждого. ",
    "koi8_r": "Отпуск составляет двадцать восемь календарных дней в году для каждого. ",
    "iso8859_2": "Naukowcy zauważyli, że zmiana rytmu snu prowadzi do rozregulowania zegara. ",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy, štěstí přálo připraveným lidem. ",
    "iso8859_7": "Οι επιστήμονες ανακοίνωσαν σήμερα τα αποτελέσματα της έρευνας. ",
    "shift_jis": "会議は火曜日の午前九時に始まります。資料は事前に配布します。",
    "gb18030": "会议在星期二上午九点举行，请大家准时到场并带好资料。",
    "big5": "會議在星期二上午九點舉行，請大家準時到場並帶好資料。",
    "euc_kr": "회의는 화요일 오전 아홉 시에 시작합니다. 자료를 준비해 주세요. ",
}


@pytest.mark.parametrize("name", TEXTS)
def test_common_encodings_are_told_from_the_bytes(name: str) -> None:
    """A few sentences are enough."""
    text = TEXTS[name] * 4
    assert decode(text.encode(name)) == text


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marks_decide(name: str) -> None:
    """Unicode with a byte order mark, and UTF-8 without, is itself."""
    text = "Größe 会议 🎉"
    assert decode(text.encode(name)) == text


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_told_without_a_mark(name: str) -> None:
    """By where the zero bytes stand."""
    text = "The meeting is on Tuesday.\n" * 3
    assert wide_encoding(text.encode(name)) == name
    assert decode(text.encode(name)) == text


def test_utf_16_of_another_script_is_told_without_a_mark() -> None:
    """Spaces and line ends are enough."""
    text = "Отпуск составляет двадцать восемь дней.\n" * 5
    assert decode(text.encode("utf-16-le")) == text


def test_a_stray_zero_byte_does_not_make_text_wide() -> None:
    """It is ASCII with a zero in it."""
    assert decode(b"<p>a\0b</p>") == "<p>a\0b</p>"


def test_a_declared_encoding_is_believed_when_it_fits() -> None:
    """Two words are too few to guess from; the declaration tells."""
    assert decode("Ødegård".encode("cp865"), "cp865") == "Ødegård"


def test_a_declared_encoding_that_does_not_exist_is_ignored() -> None:
    """Unknown labels do no harm."""
    text = TEXTS["cp1251"] * 4
    assert decode(text.encode("cp1251"), "x-no-such") == text


def test_utf_8_with_a_little_damage_stays_utf_8() -> None:
    """One broken byte in a long text costs one character."""
    data = ("Größe und Straße. " * 400).encode()
    assert decode(data[:3000] + b"\xff" + data[3000:]).count("\ufffd") <= 2


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_not_text(seed: int) -> None:
    """Random bytes are refused."""
    with pytest.raises(ParseError) as caught:
        decode(random.Random(seed).randbytes(3000))
    assert caught.value.reason == "UNKNOWN_TEXT_ENCODING"


def test_damaged_wide_text_is_refused() -> None:
    """A mark does not make noise text."""
    with pytest.raises(ParseError):
        decode(b"\xff\xfe" + b"\x00\xd8" * 500)
