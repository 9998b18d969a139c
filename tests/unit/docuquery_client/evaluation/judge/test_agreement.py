"""Agreement of two judges, against a table worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery_client.evaluation.judge.agreement import agreement


def test_kappa_is_the_agreement_beyond_chance() -> None:
    # Yes/yes 20, yes/no 5, no/yes 10, no/no 15: p_o = .7, p_e = .5 · .6 + .5 · .4 = .5, kappa = .4.
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    found = agreement(pairs)
    assert (found.answers, found.share, found.kappa) == (50, 0.7, pytest.approx(0.4))


def test_judges_who_always_say_yes_agree_by_chance_alone() -> None:
    assert agreement([(True, True)] * 9).kappa is None
    assert agreement([]) == agreement(())
    assert (agreement([]).share, agreement([]).kappa) == (0.0, None)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_kappa_is_at_most_1_and_it_does_not_matter_who_is_first(pairs: list[tuple[bool, bool]]) -> None:
    there, back = agreement(pairs), agreement([(two, one) for one, two in pairs])
    assert there == back
    if there.kappa is not None:
        assert there.kappa <= 1 + 1e-12
        assert (there.share == 1.0) == (there.kappa == pytest.approx(1.0))
