"""Two questions are the same only when nothing but words without meaning sets them apart."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.question_pairs import DIFFERENT, SAME, Judged, judged
from services.retrieval.answers.question_forms import question_forms
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.settings import Settings

# Words that may make a difference, and some that look as if they could be dropped.
TELLING = (
    "paris", "rome", "from", "to", "not", "never", "2", "12", "years", "a", "an", "is", "was", "my", "your",
    "more", "than", "in", "of", "the", "before", "after", "who", "what", "if", "please", "may", "der",
    "den", "e-40",
)  # fmt: skip
questions = st.lists(st.sampled_from(TELLING), min_size=1, max_size=8)


@pytest.mark.parametrize("pair", SAME, ids=" | ".join)
def test_the_same_question_in_other_clothes_has_a_form_in_common(pair: tuple[str, str]) -> None:
    first, second = map(question_forms, pair)
    assert first.exact == second.exact or first.near == second.near


@pytest.mark.parametrize("pair", DIFFERENT, ids=" | ".join)
def test_another_question_has_no_form_in_common(pair: tuple[str, str]) -> None:
    first, second = map(question_forms, pair)
    assert first.exact != second.exact
    assert first.near != second.near


@pytest.fixture(scope="module")
def pairs() -> list[Judged]:
    return judged(LocalEmbedder.load())


def test_the_default_similarity_lets_every_near_pair_of_the_table_through(pairs: list[Judged]) -> None:
    near = [pair.cosine for pair in pairs if pair.same and not pair.by_exact_form]
    assert len(near) >= 12
    assert min(near) >= Settings(_env_file=None).semantic_cache_similarity


def test_no_threshold_alone_could_tell_the_pairs_of_the_table_apart(pairs: list[Judged]) -> None:
    """Which is why the rule exists: nearly all different pairs are as alike as some that are the same."""
    lowest = min(pair.cosine for pair in pairs if pair.same and not pair.by_exact_form)
    different = [pair.cosine for pair in pairs if pair.expected is False]
    assert max(different) > 0.999
    assert sum(cosine >= lowest for cosine in different) > 0.8 * len(different)


@given(questions, questions)
@example(["who", "paris", "not", "rome"], ["who", "rome", "not", "paris"])
def test_every_telling_word_counts_at_its_place(first: list[str], second: list[str]) -> None:
    """Lists of words share a form only if they are equal but for a `please` at an end."""
    one, other = question_forms(" ".join(first)), question_forms(" ".join(second))
    assert (one.exact == other.exact) == (first == second)
    if one.near == other.near:
        assert [w for w in first if w != "please"] == [w for w in second if w != "please"]


@given(questions, st.data())
def test_what_is_added_removed_or_exchanged_makes_another_question(
    words: list[str], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(words) - 1))
    added = [*words[:index], "managers", *words[index:]]
    exchanged = [*words[:index], "managers", *words[index + 1 :]]
    near = question_forms(" ".join(words)).near
    assert question_forms(" ".join(added)).near != near
    assert question_forms(" ".join(exchanged)).near != near


@given(questions)
def test_case_space_and_punctuation_around_words_make_no_difference(words: list[str]) -> None:
    """Behind a number case does: it may be a unit."""
    before = ["", *words]
    dressed = [word if before[i][-1:].isdigit() else word.capitalize() for i, word in enumerate(words)]
    assert question_forms("  ".join(dressed) + " ?!").exact == question_forms(" ".join(words)).exact


@given(questions)
def test_greeting_and_thanks_make_no_difference(words: list[str]) -> None:
    question = " ".join(["what", *words])
    assert question_forms(f"Hello, {question}, thanks a lot!").near == question_forms(question).near


@given(st.text(max_size=60))
@example("´5´ ... '")
@example("ＩＴ ㎡ ﬁ ½")
def test_any_text_has_forms_and_the_exact_form_of_an_exact_form_is_itself(text: str) -> None:
    exact = question_forms(text).exact
    assert question_forms(exact).exact == exact


@pytest.mark.parametrize("text", ["", " ", "?!", "…", '"" , .'])
def test_punctuation_alone_has_no_form(text: str) -> None:
    assert question_forms(text).exact == question_forms(text).near == ""
