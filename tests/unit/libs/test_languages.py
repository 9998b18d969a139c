"""Tags and names of languages."""

from __future__ import annotations

import pytest

from libs.languages import LANGUAGES, language_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("de", "de"),
        (" DE ", "de"),
        ("de-CH", "de"),
        ("pt_BR", "pt"),
        ("zh-Hant-TW", "zh"),
        ("German", "de"),
        ("nb", "no"),
        ("iw", "he"),
        ("jp", None),
        ("xx", None),
        ("deutsch", None),
        ("de-", None),
        ("d", None),
        ("", None),
    ],
)
def test_a_tag_or_an_english_name_means_a_language(text: str, code: str | None) -> None:
    assert language_code(text) == code


def test_every_language_is_found_by_its_code_and_its_name() -> None:
    for code, name in LANGUAGES.items():
        assert language_code(code) == language_code(name) == code
