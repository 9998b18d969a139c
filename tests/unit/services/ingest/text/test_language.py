"""Which language a text is in, and when that cannot be told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.languages import LANGUAGES
from services.ingest.text.language import detect

TEXTS = {
    "en": "Every employee may take thirty days of leave a year; whoever falls ill tells the office at once.",
    "de": "Alle Beschäftigten haben dreißig Tage Urlaub im Jahr; wer erkrankt, meldet sich sofort im Büro.",
    "fr": "Chaque salarié a trente jours de congé par an ; en cas de maladie, il prévient le bureau.",
    "es": "Cada empleado dispone de treinta días de vacaciones al año; quien enferma avisa a la oficina.",
    "it": "Ogni dipendente ha trenta giorni di ferie all'anno; chi si ammala avvisa subito l'ufficio.",
    "nl": "Iedere medewerker heeft dertig vakantiedagen per jaar; wie ziek is, meldt dat meteen.",
    "sv": "Varje anställd har trettio semesterdagar om året; den som blir sjuk meddelar genast kontoret.",
    "pl": "Każdy pracownik ma trzydzieści dni urlopu w roku; kto zachoruje, natychmiast zawiadamia biuro.",
    "ru": "Каждый сотрудник имеет тридцать дней отпуска в году; кто заболел, сразу сообщает в контору.",
    "ar": "لكل موظف ثلاثون يوما من الإجازة في السنة، ومن يمرض يخبر المكتب على الفور دون تأخير أو انتظار.",
    "ja": "従業員は年に三十日の休暇を取ることができます。病気になったときは、すぐに事務所へ連絡してください。"
    "連絡が遅れた場合は、翌日までに上司へ理由を説明してください。",
}


@pytest.mark.parametrize("code", TEXTS)
def test_a_sentence_or_two_tell_the_language(code: str) -> None:
    assert detect(TEXTS[code]) == code


@pytest.mark.parametrize(
    "text",
    ["", "Leave", "VPN-12", "Urlaub ab 2024", "1, 2, 3, 4, 5, " * 40, "x" * 500, "\U0001f600" * 300],
    ids=["nothing", "a word", "a code", "a heading", "numbers", "a letter", "signs"],
)
def test_what_is_too_little_to_tell_is_not_guessed(text: str) -> None:
    assert detect(text) == ""


GERMAN = (
    "Die Werkstatt liegt hinter dem alten Bahnhof und hat werktags von sieben bis achtzehn Uhr geöffnet. "
    "Wer eine Maschine zum ersten Mal benutzt, lässt sich von der Aufsicht einweisen und trägt sich ein. "
    "Werkzeuge gehören nach der Arbeit gereinigt an ihren Platz; beschädigte kommen in die rote Kiste. "
    "Späne und Öl dürfen nicht in den Abfluss gelangen, sonst zahlt der Verein die Reinigung der Rohre. "
    "Kinder unter vierzehn Jahren betreten die Halle nur, wenn ein Erwachsener sie an der Hand hält. "
    "Am Freitagabend wird gemeinsam aufgeräumt, danach gibt es Suppe und Getränke für alle Helfer. "
)


def test_a_notice_in_another_language_does_not_decide() -> None:
    """The middle and the end are looked at as well."""
    assert detect(TEXTS["en"] + "\n" + TEXTS["en"].upper() + "\n" + GERMAN * 5) == "de"


@settings(max_examples=300)
@given(st.text(max_size=400))
def test_any_text_has_a_known_language_or_none(text: str) -> None:
    assert detect(text.encode("utf-8", "replace").decode()) in {"", *LANGUAGES}
