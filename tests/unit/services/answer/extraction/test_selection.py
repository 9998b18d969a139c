"""Which sentences answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.extraction.candidates import SourceText
from services.answer.extraction.ranges import ranges
from services.answer.extraction.selection import SelectionPolicy, select
from services.answer.language.vectors import PieceVectors

VECTORS = PieceVectors.load()

REMOTE = SourceText(
    "Every employee belongs to one working model. Hybrid employees can claim €450 once every 36 months "
    "for a desk. The first claim is possible when probation has ended.",
    0.5,
    headings="Remote Work Policy > Home office allowance",
)
ANCHOR = SourceText(
    "Teams meet on the anchor day of their site.\n\n| Site | Anchor day | Since |\n|---|---|---|\n"
    "| Aldermouth | Tuesday | 2021 |\n| Lyon | Wednesday | 2022 |\n| Porto | Thursday | 2023 |\n",
    0.5,
)
LEAVE = SourceText(
    "Leave depends on completed years of service.\n\n| Years of service | Days of annual leave |\n|---|---|\n"
    "| 0 to 4 | 25 |\n| 5 to 9 | 27 |\n| 10 to 14 | 29 |\n| 15 or more | 31 |\n",
    0.5,
    headings="Annual leave",
)
HOTELS = (("Lima", 120), ("Bern", 210), ("Oslo", 150), ("Riga", 95))
FAQ = SourceText("I forgot my password. What now?\nOpen the sign-in page and choose Help me in.", 0.5)
HISTORY = SourceText(
    "Tarnquill Instruments\n\nIn 1974 Edda Marrowby and Josef Tarn opened a repair shop in Aldermouth. "
    "It grew quickly. The company now has four sites.",
    0.4,
)


def answer(question: str, *sources: SourceText, policy: SelectionPolicy | None = None) -> list[str]:
    chosen = select(question, sources, policy or SelectionPolicy(), VECTORS)
    return [sources[pick.source].text[pick.start : pick.end] for pick in chosen.picks]


def best(question: str, *sources: SourceText) -> str:
    return answer(question, *sources, policy=SelectionPolicy(max_sentences=1))[0]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much is the home office allowance?", "€450"),
        ("What is the anchor day in Porto?", "Thursday"),
        ("How many days of annual leave do I get after 12 completed years of service?", "29"),
        ("How many days of annual leave after 20 years of service?", "31"),
        ("What should I do when I forgot my password?", "Help me in"),
        ("Who opened the repair shop?", "Edda Marrowby"),
        ("When can I claim for the first time?", "probation"),
    ],
)
def test_the_best_sentence_holds_the_answer(question: str, expected: str) -> None:
    assert expected in best(question, REMOTE, ANCHOR, LEAVE, FAQ, HISTORY)


def test_questions_in_the_text_headings_and_header_rows_are_never_answers() -> None:
    for question in (
        "What about my forgotten password?",
        "What is the anchor day?",
        "Which days of annual leave?",
    ):
        for text in answer(question, FAQ, ANCHOR, LEAVE):
            assert "What now?" not in text
            assert "Anchor day" not in text
            assert "Years of service" not in text


def test_a_table_row_brings_its_header_row() -> None:
    pick = select(
        "What is the anchor day in Porto?", [ANCHOR], SelectionPolicy(max_sentences=1), VECTORS
    ).picks[0]
    assert pick.is_row
    assert pick.header is not None
    assert ANCHOR.text[slice(*pick.header)] == "| Site | Anchor day | Since |"


def test_what_only_repeats_the_question_is_not_an_answer_unless_it_asks_yes_or_no() -> None:
    source = SourceText("Dogs are allowed in the office. They must be on a lead.", 0.5)
    assert answer("Which dogs are allowed in the office?", source) == ["They must be on a lead."]
    assert "Dogs are allowed in the office." in answer("Are dogs allowed in the office?", source)


def test_nothing_is_chosen_when_nothing_is_about_the_question() -> None:
    found = [replace(source, score=0.2) for source in (REMOTE, ANCHOR, LEAVE, HISTORY)]
    assert answer("Who won the 2018 football world cup?", *found) == []
    assert answer("How do I bake sourdough bread?", *found) == []
    assert answer("", REMOTE) == []
    assert answer("How much is the allowance?") == []


def test_a_sentence_of_a_passage_that_is_hardly_relevant_must_hold_more_of_the_question() -> None:
    question = "Which committee of the company chooses the colour of the carpets?"
    vague = SourceText("The company now has four sites in three countries.", 0.5)
    assert answer(question, vague)
    assert answer(question, replace(vague, score=0.2)) == []
    plain = SourceText("The carpets of the company are of a dark colour.", 0.2)
    assert answer(question, plain)


def test_a_name_that_no_passage_mentions_is_not_answered_about() -> None:
    assert answer("Who opened the repair shop in Aldermouth?", HISTORY)
    assert answer("Who opened the repair shop in Harwick?", HISTORY) == []
    assert answer("Wer eröffnete die Werkstatt?", SourceText("Die Werkstatt eröffnete Edda Marrowby.", 0.5))
    joined = "Who opened the repair shop in Harwick? And in Aldermouth?"
    assert answer(joined, HISTORY), "the second name takes the place of the first"


def test_what_stands_of_another_year_or_version_is_no_answer() -> None:
    notes = SourceText("StationLink 4.0 was released in June 2024 and ended the USB dongle.", 0.5)
    assert answer("When was StationLink 4.0 released?", notes) == [notes.text]
    assert answer("When was StationLink 5.0 released?", notes) == []
    assert answer("What ended the USB dongle in 2023?", notes) == []
    named = SourceText("It ended the USB dongle and brought a card.", 0.5, title="Release notes 2023")
    assert answer("What ended the USB dongle in 2023?", named) == [named.text]
    timeless = SourceText("The hotel limit in Paris is 180 euros a night.", 0.5)
    assert answer("What is the hotel limit in Paris in 2031?", timeless) == [timeless.text]
    joined = "What ended the USB dongle in 2023? And what in June 2024?"
    assert answer(joined, notes) == [notes.text]


def test_sentences_come_in_reading_order_and_a_repeated_one_once() -> None:
    again = SourceText(REMOTE.text.split(". ", 1)[1], 0.45)  # an overlapping chunk
    policy = SelectionPolicy(max_utility_gap=100.0)
    question = "How much can hybrid employees claim, when is the first claim?"
    texts = answer(question, REMOTE, again, policy=policy)
    assert texts == [
        "Hybrid employees can claim €450 once every 36 months for a desk.",
        "The first claim is possible when probation has ended.",
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_more_sentences_than_allowed(count: int) -> None:
    policy = SelectionPolicy(max_sentences=count, max_utility_gap=100.0)
    assert (
        len(answer("How much is the home office allowance for a desk?", REMOTE, LEAVE, policy=policy))
        == count
    )


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        (
            "Wie viele Urlaubstage gibt es?",
            "Der Urlaub wird im Portal beantragt. Alle Beschäftigten haben 25 Urlaubstage im Jahr.",
            "25 Urlaubstage",
        ),
        (
            "Où se trouve le bureau?",
            "Le bureau ouvre à 8 h. Le bureau se trouve à Lyon, près de la gare.",
            "Lyon",
        ),
        (
            "¿Cuándo abre la oficina?",
            "La oficina está en Vigo. La oficina abre el 9 de junio de 2025.",
            "junio",
        ),
    ],
)
def test_passages_in_other_languages_answer(question: str, text: str, expected: str) -> None:
    assert expected in best(question, SourceText(text, 0.5))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("In which town does Ann live?", "Ulm"),
        ("Who lives in Porto?", "Rui"),
        ("Where does Bo live?", "Lund"),
    ],
)
def test_rows_that_name_their_columns_answer_by_row(question: str, expected: str) -> None:
    rows = "Name: Ann | Town: Ulm\nName: Bo | Town: Lund\nName: Rui | Town: Porto"
    assert expected in best(question, SourceText(f"Where people live\n\n{rows}", 0.5, headings="Staff"))


def test_the_row_beside_the_one_that_is_asked_for_is_left_out() -> None:
    hotels = SourceText("\n\n".join(f"Town: {town} | Limit: €{limit}" for town, limit in HOTELS), 0.5)
    policy = SelectionPolicy(max_utility_gap=100.0)
    assert answer("What is the limit in Oslo?", hotels, policy=policy) == ["Town: Oslo | Limit: €150"]
    of_two = answer("What are the limits in Oslo and in Bern?", hotels, policy=policy)
    assert of_two == ["Town: Bern | Limit: €210", "Town: Oslo | Limit: €150"]
    of_none = answer("What is the limit in a town?", hotels, policy=policy)
    assert len(of_none) == 2, "rows that hold as much of the question may both answer"


def test_the_field_below_the_heading_that_is_asked_for_stands_alone() -> None:
    guide = SourceText(
        "Aldermouth (factory)\n  Staff: 286\n  Open: 06:00-20:00\n\n"
        "Lyon (sales)\n  Staff: 58\n  Open: 07:30-19:00",
        0.5,
    )
    policy = SelectionPolicy(max_utility_gap=100.0)
    assert "Open: 06:00-20:00" not in answer("When is the office open in Lyon?", guide, policy=policy)
    assert len(answer("When is the office open?", guide, policy=policy)) == 2


def test_markup_without_text_and_endless_lists_are_no_answers() -> None:
    markup = (
        '<Listing number="1" caption="Declaring a mutable `Vec<T>` variable"> <!-- a mutable variable -->'
    )
    endless = "the declaration of a mutable variable, " * 30 + "and more"
    plain = "A mutable variable is declared by `let mut`."
    source = SourceText(f"{markup}\n\n{endless}\n\n{plain}", 0.5)
    assert answer("How is a mutable variable declared?", source) == [plain]


def test_a_heading_says_what_a_short_sentence_below_it_is_about() -> None:
    source = SourceText(
        "# Remote work\n\nUp to three days a week.\n\n# Parking\n\nUp to two cars a household.", 0.5
    )
    assert best("How many days of remote work are allowed?", source) == "Up to three days a week."


def test_the_first_sentence_below_a_heading_is_read_with_it() -> None:
    source = SourceText(
        "## Quiet time\n\nNobody phones between 13:00 and 14:00.\n\n## Tea\n\nAfter quiet time there is tea.",
        0.5,
    )
    assert best("When is quiet time?", source) == "Nobody phones between 13:00 and 14:00."
    rows = SourceText(
        "## Rooms of the harbour\n\n| Room | Floor |\n|---|---|\n| Anchor | 1 |\n| Buoy | 2 |\n", 0.5
    )
    assert best("On which floor of the harbour is the room Buoy?", rows) == "| Buoy | 2 |"


def test_a_condition_defines_nothing() -> None:
    source = SourceText(
        "If a tide table is lost, phone us. A tide table is a list of the hours of high water.", 0.5
    )
    assert best("What is a tide table?", source) == "A tide table is a list of the hours of high water."


def test_words_of_like_meaning_find_the_sentence() -> None:
    source = SourceText(
        "The harbour master keeps the log. William of Orange was the strongest opponent of the king.", 0.5
    )
    assert "opponent" in best("Who was the rival of the king?", source)


def test_chinese_passages_answer_chinese_questions() -> None:
    source = SourceText("公司成立于1974年。总部设在上海。年假为二十五天。", 0.5)
    assert best("公司的总部设在哪里？", source) == "总部设在上海。"


@given(st.text(max_size=80), st.lists(st.text(max_size=200), max_size=4))
def test_any_text_gives_valid_picks(question: str, texts: list[str]) -> None:
    sources = [SourceText(text, 0.5) for text in texts]
    chosen = select(question, sources, SelectionPolicy(), VECTORS)
    assert 0.0 <= chosen.confidence <= 1.0
    assert chosen.evidence <= 1.0 + 1e-9
    for pick in chosen.picks:
        assert 0 <= pick.start < pick.end <= len(texts[pick.source])


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("10 to 14 years", 12, 15),
        ("5–9", 9, 10),
        ("15 or more", 40, 14),
        ("above €7,500", 8000, 100),
        ("up to €1,000", 500, 1001),
    ],
)
def test_ranges_of_numbers_are_understood(text: str, inside: int, outside: int) -> None:
    found = ranges(text)
    assert any(low <= inside <= high for low, high in found)
    assert not any(low <= outside <= high for low, high in found)


@pytest.mark.parametrize("text", ["07:30 to 18:00", "no figures", "14 to 10"])
def test_times_and_falling_numbers_are_no_ranges(text: str) -> None:
    assert ranges(text) == ()
