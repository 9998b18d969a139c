import pytest

from services.answer.prompts.not_found import NOT_FOUND_PHRASES, says_not_found


@pytest.mark.parametrize("phrase", NOT_FOUND_PHRASES)
def test_an_abstention_is_recognised_however_it_is_typeset(phrase: str) -> None:
    assert says_not_found(phrase)
    assert says_not_found(f'  **"{phrase.upper()}"**\n')
    assert says_not_found(phrase.replace("'", "’").rstrip("."))


@pytest.mark.parametrize("text", ["", "The documents contain it.", f"It is 5. {NOT_FOUND_PHRASES[0]}"])
def test_an_answer_is_no_abstention(text: str) -> None:
    assert not says_not_found(text)
