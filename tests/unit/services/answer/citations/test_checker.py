import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.citations.checker import check, cite
from services.answer.model import Span, Verdict
from tests.unit.services.answer.citations.support import passage

SOURCE = (
    "The tenant may terminate the lease with 30 days’ notice. The deposit is 1,400 euros.\n"
    "The device is not waterproof. Revenue rose by 5.5 % in 2023, and costs fell by 3 % to 12 million "
    "euros on 3 April 2023. 该设备的保修期为二十四个月，从购买之日起计算。 😀 Cafe\u0301s close at 22:00."
)


@pytest.mark.parametrize(
    "sentence",
    [
        "The deposit is 1,400 euros.",
        "the deposit is 1,400 euros",
        "The deposit  is\n1,400 euros!",
        "The tenant may terminate the lease with 30 days' notice.",
        "**Revenue rose by 5.5 % in 2023**",
        'The contract says that "the tenant may terminate the lease with 30 days\' notice".',
        "保修期为二十四个月。",
        "😀 Cafe\u0301s close at 22:00.",
    ],
)
def test_words_that_stand_there_are_verbatim(sentence: str) -> None:
    finding = check(sentence, passage(SOURCE))
    assert (finding.verdict, finding.score) == (Verdict.VERBATIM, 1.0)


@pytest.mark.parametrize(
    "sentence",
    [
        "The deposit of the first flat is 1,400 euros.",
        "**The deposit** of the [first flat](f.md) is 1,400 euros",
    ],
)
def test_markdown_is_forgiven_on_both_sides_and_the_quote_stays_exact(sentence: str) -> None:
    text = "Rent is due. **The deposit of the [first flat](flats.md#1) is 1,400 euros.**<!-- s. 4 --> Pay!"
    finding = check(sentence, passage(text))
    assert finding.verdict is Verdict.VERBATIM
    quote = text[finding.start : finding.end]
    assert quote.startswith("**The deposit of the [first flat](flats.md#1) is 1,400 euros")


@pytest.mark.parametrize(
    "sentence",
    [
        'It says "the tenant may terminate the lease with 60 days\' notice".',
        'It says "the tenant must terminate the lease with 30 days\' notice".',
        '"The deposit is 1,400 euros in cash", and "the tenant may terminate the lease".',
        'In 1999 it said "the tenant may terminate the lease".',
        "Revenue rose by 5",
        "Revenue rose by 5 %",
        "Costs fell by 3 % to 1",
        "evenue rose by 5.5 %",
        "The Deposit is 1,400 euros.",
        "保修期为三十四个月。",
        "😀 Cafe",
        "...",
    ],
)
def test_changed_words_are_not_verbatim(sentence: str) -> None:
    assert check(sentence, passage(SOURCE)).verdict is not Verdict.VERBATIM


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("The deposit amounts to 1400 euros.", "The deposit is 1,400 euros."),
        ("The device isn't waterproof at all.", "The device is not waterproof."),
        ("A lease can be terminated by the tenant with thirty days of notice.",
         "The tenant may terminate the lease with 30 days’ notice."),
    ],
)  # fmt: skip
def test_a_paraphrase_is_supported(sentence: str, quote: str) -> None:
    source = passage(SOURCE)
    finding = check(sentence, source)
    assert finding.verdict is Verdict.SUPPORTED
    assert 0.6 <= finding.score <= 1
    assert source.text[finding.start : finding.end] == quote


@pytest.mark.parametrize(
    "sentence",
    [
        "The deposit amounts to 1500 euros.",
        "The device is waterproof.",
        "The tenant may never terminate the lease with 30 days' notice.",
        "Costs fell by 3 % to 12 billion euros.",
        "Costs fell by 3 % to 12 million euros on 3 May 2023.",
        "Penguins live in the southern hemisphere.",
    ],
)
def test_what_the_source_does_not_carry_is_unsupported(sentence: str) -> None:
    assert check(sentence, passage(SOURCE)).verdict is Verdict.UNSUPPORTED


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("If the rent is late, the landlord may end the lease.", "The landlord may end the lease."),
        ("The tenant may sublet the flat, unless the landlord objects.", "The tenant may sublet the flat."),
        ("The tenant may sublet the flat only with consent.", "The tenant may sublet the flat."),
        ("Employees carry over five days except in the first year.", "Employees carry over five days."),
        ("Der Mieter darf untervermieten, sofern der Vermieter zustimmt.", "Der Mieter darf untervermieten."),
        ("除非房东同意，否则租客可以转租。", "租客可以转租。"),
    ],
)
def test_words_cut_off_from_their_condition_are_supported_and_not_verbatim(
    source: str, sentence: str
) -> None:
    assert check(sentence, passage(source)).verdict is Verdict.SUPPORTED
    assert check(source, passage(source)).verdict is Verdict.VERBATIM


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("It is not so, however, that the deposit is refundable.", "The deposit is refundable."),
        ("It is false to say, as some do, that dogs are allowed.", "Dogs are allowed."),
        ("The deposit is refundable, but never in full.", "The deposit is refundable."),
        ("并非押金可退还。", "押金可退还。"),
        ("The fine is 10 000 euros.", "The fine is 10"),
        ("Due are 10 500 euros.", "500 euros"),
    ],
)
def test_words_cut_off_from_a_denial_or_a_number_are_unsupported(source: str, sentence: str) -> None:
    assert check(sentence, passage(source)).verdict is Verdict.UNSUPPORTED
    assert check(source, passage(source)).verdict is Verdict.VERBATIM


def test_a_number_written_in_groups_is_one_number() -> None:
    assert check("10,000 euros is the fine.", passage("The fine is 10 000 euros.")).supported
    assert check("In 2020 the firm", passage("In 2020 the firm had 500 people.")).verdict is Verdict.VERBATIM
    assert check("It began in 2020", passage("It began in 2020 500 miles away.")).verdict is Verdict.VERBATIM


def test_a_negation_elsewhere_in_the_source_does_not_vouch_for_one() -> None:
    source = passage("The device is waterproof. It is not heavy.")
    assert check("The device is not waterproof.", source).verdict is Verdict.UNSUPPORTED


def test_a_citation_tells_where_in_the_document_its_quote_stands() -> None:
    before = "Einführung 😀.\n"
    source = passage("é中 first. The deposit is due.", before=before)
    citation = cite(1, source, check("The deposit is due.", source), Span(0, 0, 0, 0))
    document = before + source.text
    span = citation.source_span
    assert document[span.char_start : span.char_end] == citation.quote == "The deposit is due."
    assert document.encode()[span.byte_start : span.byte_end].decode() == citation.quote


def test_a_quote_has_the_pages_it_stands_on() -> None:
    text = "Alpha one. Beta two. Gamma three."
    starts = ((5, 100 + text.index("Beta")), (6, 100 + text.index("Gamma")))
    source = passage(text, before="x" * 100, pages=(4, 6), page_starts=starts)
    pages = {
        sentence: cite(1, source, check(sentence, source), Span(0, 0, 0, 0)).pages
        for sentence in ("Alpha one.", "Beta two", "Gamma three", "Alpha one. Beta two.")
    }
    assert pages == {
        "Alpha one.": (4, 4),
        "Beta two": (5, 5),
        "Gamma three": (6, 6),
        "Alpha one. Beta two.": (4, 5),
    }


def test_an_empty_passage_supports_nothing() -> None:
    finding = check("The deposit is due.", passage(""))
    assert (finding.verdict, finding.score, finding.start, finding.end) == (Verdict.UNSUPPORTED, 0.0, 0, 0)


@given(st.text('ab .,5😀中e\u0301\u00ad\n“"-'), st.text('ab .,5😀中e\u0301\u00ad\n“"-'))
def test_a_verbatim_quote_reads_like_the_sentence(sentence: str, text: str) -> None:
    finding = check(sentence, passage(text))
    assert 0 <= finding.start <= finding.end <= len(text)
    if finding.verdict is Verdict.VERBATIM:
        quote = text[finding.start : finding.end]
        assert [c for c in quote.casefold() if c.isalnum()] == [
            c for c in sentence.casefold() if c.isalnum()
        ] or '"' in sentence.replace("“", '"')
