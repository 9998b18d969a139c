"""How good a ranking is, judged by graded relevance.

A ranking is document ids, best first, each at most once; grades are by document id, above 0 is relevant,
and what is not judged is not relevant. Every figure is 0 to 1, higher is better. A query needs a relevant
document, otherwise ValueError: no ranking would be better than another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

Ranking = Sequence[str]
Grades = Mapping[str, int]


def ndcg(ranking: Ranking, grades: Grades, k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`: DCG divided by that of the best ranking.

    DCG = Σ grade_i / log2(i + 1) over the ranks i = 1..k, where a grade below 0 counts 0. The gain is the
    grade itself, not 2^grade - 1: so trec_eval's `ndcg_cut`, which BEIR reports, has it. Järvelin and
    Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002.
    """
    _relevant(grades)
    best = sorted(grades.values(), reverse=True)
    return _dcg([grades.get(document, 0) for document in ranking[:k]]) / _dcg(best[:k])


def reciprocal_rank(ranking: Ranking, grades: Grades, k: int) -> float:
    """1 / rank of the first relevant document among the first `k`; 0 when none is. Its mean is MRR@k."""
    relevant = _relevant(grades)
    for rank, document in enumerate(ranking[:k], start=1):
        if document in relevant:
            return 1 / rank
    return 0.0


def recall(ranking: Ranking, grades: Grades, k: int) -> float:
    """Share of all relevant documents that is among the first `k`."""
    relevant = _relevant(grades)
    return len(relevant.intersection(ranking[:k])) / len(relevant)


def average_precision(ranking: Ranking, grades: Grades, k: int) -> float:
    """Mean over all relevant documents of the precision at their ranks; 0 for those beyond the first `k`.

    AP = (1/R) Σ_i rel_i · (relevant among the first i) / i over the ranks i = 1..k, R being the number of all
    relevant documents. Its mean is MAP@k: trec_eval's `map_cut`. Buckley and Voorhees, "Evaluating Evaluation
    Measure Stability", SIGIR 2000.
    """
    relevant = _relevant(grades)
    found, total = 0, 0.0
    for rank, document in enumerate(ranking[:k], start=1):
        if document in relevant:
            found += 1
            total += found / rank
    return total / len(relevant)


METRICS: Mapping[str, Callable[[Ranking, Grades], float]] = MappingProxyType(
    {
        "ndcg@10": partial(ndcg, k=10),
        "mrr@10": partial(reciprocal_rank, k=10),
        "map@100": partial(average_precision, k=100),
        "recall@10": partial(recall, k=10),
        "recall@100": partial(recall, k=100),
    }
)
"""What is reported, by name."""


def _dcg(gains: Sequence[int]) -> float:
    return sum(max(0, gain) / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _relevant(grades: Grades) -> set[str]:
    relevant = {document for document, grade in grades.items() if grade > 0}
    if not relevant:
        raise ValueError("the query has no relevant document")
    return relevant
