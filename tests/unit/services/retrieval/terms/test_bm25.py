"""Words become terms: stemmed, without stop words, the same in questions and passages."""

from __future__ import annotations

import re

import pytest
import qdrant_edge as edge

from services.retrieval.terms.bm25 import AVERAGE_TERMS, K1, LANGUAGES, MAX_TERM_WEIGHT, B, Bm25Encoder


def test_a_question_and_a_passage_share_the_terms_of_their_words() -> None:
    encoder = Bm25Encoder("english")
    question, passage = (
        encoder.query("Running harbours?"),
        encoder.document("A harbour runs on its own.", "en"),
    )
    assert set(question.indices) <= set(passage.indices)
    assert question.values == (1.0, 1.0)


def test_stop_words_and_punctuation_are_no_terms() -> None:
    assert Bm25Encoder("english").document("the of and ... !", "en").indices == ()


def test_a_term_counts_once_in_a_question() -> None:
    assert len(Bm25Encoder("english").query("harbour harbour HARBOURS").indices) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_offered_works(language: str) -> None:
    encoder = Bm25Encoder(language)
    assert encoder.query("4512").indices
    assert f"/{language}/" in encoder.name


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="klingon"):
        Bm25Encoder("klingon")


@pytest.mark.parametrize("identifier", ["ERR-4512", "§ 12.3", "ISO-9001:2015", "v2.3.1", "a_b_c", "1,234.5"])
def test_an_identifier_shares_more_with_its_own_kind_than_with_its_parts(identifier: str) -> None:
    """Passages that hold the parts apart, in the same number, are one term behind."""
    encoder = Bm25Encoder("english")
    question = set(encoder.query(f"What does {identifier} mean?").indices)
    exact = set(encoder.document(f"We explain {identifier} here.", "").indices)
    parts = " then ".join(part for part in re.split(r"[\W_]+", identifier) if part)
    apart = set(encoder.document(f"We explain {parts} here.", "").indices)
    assert question & apart < question & exact


@pytest.mark.parametrize(
    ("question", "passage", "other"),
    [
        (
            "什么是深度学习？",
            "深度学习是机器学习的一个分支，使用多层神经网络。",
            "今天的天气很好，我们去公园散步。",
        ),
        (
            "東京の人口は？",
            "東京は日本の首都で、人口は約千四百万人です。",
            "京都には古い寺がたくさんあります。",
        ),
        ("ประชากรของกรุงเทพ", "กรุงเทพมหานครมีประชากรประมาณสิบล้านคน", "วันนี้อากาศดีมาก"),
        ("서울의 인구", "서울은 대한민국의 수도이며 인구는 약 천만 명이다.", "오늘은 날씨가 좋다."),
        (
            "如何安装Kubernetes 1.30?",
            "安装 Kubernetes 1.30 之前请先关闭交换分区。",
            "安装窗户之前请先量好尺寸。",
        ),
        ("猫", "我家的猫喜欢睡觉。", "我家的狗喜欢跑步。"),
    ],
)
def test_writing_without_spaces_is_found(question: str, passage: str, other: str) -> None:
    encoder = Bm25Encoder("english")
    asked = set(encoder.query(question).indices)
    assert len(asked & set(encoder.document(passage, "").indices)) > len(
        asked & set(encoder.document(other, "").indices)
    )


def test_no_weight_passes_the_bound_and_terms_are_in_order() -> None:
    vector = Bm25Encoder("english").document("1,234 1234 " * 200 + "ERR-4512 深度学习 " * 200, "")
    assert max(vector.values) <= MAX_TERM_WEIGHT
    assert list(vector.indices) == sorted(set(vector.indices))


INFLECTED = {
    "ar": ("الاجتماعات", "اجتماع"),
    "da": ("kontrakterne", "kontrakt"),
    "de": ("Verträgen", "Vertrag"),
    "el": ("συμβάσεις", "σύμβαση"),
    "es": ("reuniones", "reunión"),
    "fi": ("toimistossa", "toimisto"),
    "fr": ("réunions", "réunion"),
    "hu": ("szerződések", "szerződés"),
    "it": ("contratti", "contratto"),
    "nl": ("vergaderingen", "vergadering"),
    "no": ("møtene", "møte"),
    "pt": ("contratadas", "contratado"),
    "ro": ("contractelor", "contract"),
    "ru": ("договоров", "договор"),
    "sv": ("fakturorna", "faktura"),
    "tr": ("ofislerde", "ofis"),
}
STOP_WORDS = {"de": "und der die", "es": "el de que", "fr": "le de et", "ru": "и в не", "sv": "och det att"}


@pytest.mark.parametrize("code", INFLECTED)
def test_inflected_forms_are_one_term_in_their_own_language(code: str) -> None:
    encoder = Bm25Encoder("english")
    plural, singular = INFLECTED[code]
    language = encoder.language_of(code)
    assert encoder.document(plural, code).indices == encoder.query(singular, language).indices
    assert language != "english"


@pytest.mark.parametrize("code", STOP_WORDS)
def test_each_language_has_stop_words_of_its_own(code: str) -> None:
    encoder = Bm25Encoder("english")
    assert encoder.document(STOP_WORDS[code], code).indices == ()
    assert encoder.document(STOP_WORDS[code], "en").indices != ()
    found = encoder.stop_words(f"{STOP_WORDS[code]} VPN-12", ["english", encoder.language_of(code)])
    assert found[encoder.language_of(code)] == frozenset(STOP_WORDS[code].split())


def test_the_same_letters_in_two_languages_are_two_terms() -> None:
    """The English verb is not the German article, which in German is no term at all."""
    encoder = Bm25Encoder("english")
    words = "die gift angel 2024"
    terms = {code: set(encoder.document(words, code).indices) for code in ("en", "de", "sv")}
    assert not terms["en"] & terms["de"]
    assert not terms["de"] & terms["sv"]
    assert terms["de"] == set(encoder.query(words, "german").indices)


@pytest.mark.parametrize("text", ["ERR-4512", "深度学习", "ภาษาไทย", "§ 12.3"])
def test_identifiers_and_unspaced_writing_are_the_same_under_every_language(text: str) -> None:
    encoder = Bm25Encoder("english")
    common = set(encoder.document(text, "de").indices) & set(encoder.query(text, "russian").indices)
    assert common


@pytest.mark.parametrize("code", ["", "en", "pl", "th", "zh", "ja", "ko", "vi"])
def test_a_language_without_a_stemmer_here_has_the_terms_of_the_stores_own(code: str) -> None:
    encoder = Bm25Encoder("english")
    text = "Regulamin pracy: 休暇 harbours 2024"
    assert encoder.document(text, code) == encoder.document(text, "en")


def test_a_stores_own_language_has_the_terms_it_always_had() -> None:
    """Ids as Qdrant's own models make them: a store from before is read on as it is."""
    text = "Häuser stehen am Hafen"
    plain = edge.Bm25(edge.Bm25Config(k=K1, b=B, avg_len=AVERAGE_TERMS, language="german"))
    assert Bm25Encoder("german").document(text, "de").indices == tuple(plain.embed_document(text).indices)
    foreign = Bm25Encoder("german").document("The harbours", "en").indices
    assert foreign == Bm25Encoder("german").query("harbour", "english").indices
    assert foreign != Bm25Encoder("english").query("harbour").indices


def test_term_ids_stay_within_the_engines_range() -> None:
    encoder = Bm25Encoder("english")
    for code in filter(None, LANGUAGES.values()):
        indices = encoder.document("Alpha 2024 Отдел الموظفين ενα " * 3, code).indices
        assert list(indices) == sorted(set(indices))
        assert all(0 <= index < 2**31 for index in indices)
