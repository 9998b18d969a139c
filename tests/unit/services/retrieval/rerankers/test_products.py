"""Products in one thread are products."""

from __future__ import annotations

import numpy as np
import pytest

from services.retrieval.rerankers.products import product


@pytest.mark.parametrize(("rows", "inner", "columns"), [(1, 1, 1), (7, 600, 90), (3, 2000, 200), (0, 4, 5)])
def test_a_product_by_rows_is_the_product(rows: int, inner: int, columns: int) -> None:
    rng = np.random.default_rng(1)
    left = rng.random((rows, inner), dtype=np.float32)
    right = rng.random((columns, inner), dtype=np.float32).T
    assert product(left, right) == pytest.approx(left @ right, rel=1e-4)
