"""Products of small matrices, in this thread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SINGLE_THREADED = 250_000
"""Larger products OpenBLAS spreads over threads, whose start, and waiting for each other, take longer than
the work: ten times as much processor time for two matrices of 100 rows."""


def product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """`left @ right`, some rows at a time."""
    found = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)
    right = np.ascontiguousarray(right)
    rows = max(1, _SINGLE_THREADED // max(1, right.size))
    for start in range(0, len(left), rows):
        np.matmul(left[start : start + rows], right, out=found[start : start + rows])
    return found
