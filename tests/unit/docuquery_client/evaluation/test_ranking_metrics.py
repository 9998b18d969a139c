"""The metrics against values worked out by hand, and what holds for every ranking."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery_client.evaluation.ranking_metrics import (
    METRICS,
    average_precision,
    ndcg,
    recall,
    reciprocal_rank,
)

GRADES = {"a": 3, "b": 2, "c": 1, "d": 0, "e": -1}

documents = st.sampled_from("abcdefghijkl")
rankings = st.lists(documents, unique=True)
grades = st.dictionaries(documents, st.integers(-2, 4)).filter(lambda g: any(v > 0 for v in g.values()))
depths = st.integers(1, 15)


def test_ndcg_divides_the_discounted_grades_by_those_of_the_best_ranking() -> None:
    # DCG of c, x, a: 1/log2(2) + 0 + 3/log2(4) = 2.5; of a, b, c: 3 + 2/log2(3) + 1/2 = 4.76186.
    assert ndcg(["c", "x", "a"], GRADES, 3) == pytest.approx(2.5 / 4.7618595)


def test_ndcg_takes_the_grade_itself_for_the_gain() -> None:
    # With 2^grade - 1 the second would be 7/10 of something else.
    assert ndcg(["b"], {"a": 4, "b": 2}, 1) == pytest.approx(0.5)


def test_ndcg_looks_at_the_first_k_of_both_rankings() -> None:
    assert ndcg(["x", "a"], {"a": 1}, 1) == 0.0
    assert ndcg(["a"], {"a": 1, "b": 1, "c": 1}, 1) == 1.0
    assert ndcg(["a"], {"a": 1, "b": 1}, 2) == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_a_negative_grade_gains_nothing_and_costs_nothing() -> None:
    assert ndcg(["e", "a"], {"a": 1, "e": -1}, 2) == ndcg(["x", "a"], {"a": 1}, 2)


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [(["a"], 1.0), (["d", "e", "b"], 1 / 3), (["x", "y", "z", "a"], 0.0), ([], 0.0)],
)
def test_reciprocal_rank_is_that_of_the_first_relevant_document(ranking: list[str], expected: float) -> None:
    assert reciprocal_rank(ranking, GRADES, 3) == pytest.approx(expected)


def test_recall_is_the_share_of_all_relevant_documents() -> None:
    assert recall(["a", "d", "x", "b", "c"], GRADES, 4) == pytest.approx(2 / 3)
    assert recall(["a", "d", "x", "b", "c"], GRADES, 5) == 1.0


def test_average_precision_counts_what_is_not_found_as_0() -> None:
    # Relevant are a, b and c; found are a (1 of 1) and c (2 of 3), b is beyond the depth.
    assert average_precision(["a", "x", "c", "b"], GRADES, 3) == pytest.approx((1 + 2 / 3) / 3)
    assert average_precision(["x", "y"], GRADES, 3) == 0.0


def test_what_is_reported_has_the_depths_of_its_names() -> None:
    ranking = [str(number) for number in range(200)]
    assert {name: metric(ranking, {"9": 1, "10": 1}) for name, metric in METRICS.items()} == {
        "ndcg@10": pytest.approx((1 / math.log2(11)) / (1 + 1 / math.log2(3))),
        "mrr@10": pytest.approx(1 / 10),
        "map@100": pytest.approx((1 / 10 + 2 / 11) / 2),
        "recall@10": 0.5,
        "recall@100": 1.0,
    }
    assert METRICS["recall@100"](ranking, {"99": 1, "100": 1}) == 0.5


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_query_without_a_relevant_document_cannot_be_scored(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(ValueError, match="no relevant document"):
        metric(["a"], {"a": 0})


@given(ranking=rankings, judged=grades, k=depths)
def test_every_metric_is_between_0_and_1(ranking: list[str], judged: dict[str, int], k: int) -> None:
    for metric in (ndcg, reciprocal_rank, recall, average_precision):
        assert 0.0 <= metric(ranking, judged, k) <= 1.0


@given(judged=grades, k=depths)
def test_the_best_ranking_has_1(judged: dict[str, int], k: int) -> None:
    best = sorted(judged, key=lambda document: -judged[document])
    assert ndcg(best, judged, k) == pytest.approx(1.0)
    assert reciprocal_rank(best, judged, k) == 1.0
    assert recall(best, judged, len(best)) == 1.0
    assert average_precision(best, judged, len(best)) == pytest.approx(1.0)


@given(ranking=rankings, judged=grades, k=depths)
def test_moving_a_better_document_up_never_lowers_ndcg(
    ranking: list[str], judged: dict[str, int], k: int
) -> None:
    for i in range(1, len(ranking)):
        if judged.get(ranking[i], 0) > judged.get(ranking[i - 1], 0):
            swapped = [*ranking[: i - 1], ranking[i], ranking[i - 1], *ranking[i + 1 :]]
            assert ndcg(swapped, judged, k) >= ndcg(ranking, judged, k) - 1e-12


@given(ranking=rankings, judged=grades, k=depths)
def test_recall_never_falls_with_depth(ranking: list[str], judged: dict[str, int], k: int) -> None:
    assert recall(ranking, judged, k) <= recall(ranking, judged, k + 1)
