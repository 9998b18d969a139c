"""Room for uploads: counted exactly, shared between tenants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import DocuQueryError
from services.ingest.spool.budget import SpoolBudget, SpoolShare

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.booleans()), max_size=40)


@given(STEPS)
def test_what_is_taken_never_goes_over_and_all_of_it_comes_back(steps: list[tuple[str, int, bool]]) -> None:
    """Neither in all nor for a tenant, and what is refused is not counted."""
    budget = SpoolBudget(100)
    shares: list[tuple[str, SpoolShare]] = []
    sizes: list[int] = []
    for tenant, size, released in steps:
        share = budget.open(tenant)
        mine = sum(s for (name, _), s in zip(shares, sizes, strict=True) if name == tenant)
        if sum(sizes) + size > 100 or mine + size > 50:
            with pytest.raises(DocuQueryError):
                share.grow(size)
            size = 0
        else:
            share.grow(size)
        if released:
            share.release()
            size = 0
        shares.append((tenant, share))
        sizes.append(size)
        assert budget.total_bytes == sum(sizes)
    for _, share in shares:
        share.release()
        share.release()
    assert budget.total_bytes == 0
