"""Counts follow what comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.reindexing.tally import Tally
from services.retrieval.store.progress import FillProgress

tenants = st.sampled_from(["acme", "globex"])
attempts = st.sampled_from("abcdef")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), tenants, attempts, st.integers(0, 9)),
            st.tuples(st.just("keep"), tenants, st.frozensets(attempts), st.just(0)),
        )
    )
)
def test_the_counts_are_those_of_the_attempts(
    steps: list[tuple[str, str, str | frozenset[str], int]],
) -> None:
    tally, model = Tally(), dict[tuple[str, str], int]()
    for step, tenant, what, chunks in steps:
        if isinstance(what, frozenset):
            tally.keep_only(tenant, what)
            model = {key: n for key, n in model.items() if key[0] != tenant or key[1] in what}
        else:
            assert step == "add"
            tally.add(tenant, what, chunks)
            model.setdefault((tenant, what), chunks)
    found = tally.progress(0.0)
    assert (found.documents, found.chunks) == (len(model), sum(model.values()))
    for tenant in ("acme", "globex"):
        assert tally.of(tenant) == {attempt for name, attempt in model if name == tenant}
        assert tally.attempts.get(tenant, set()) == tally.of(tenant)


def test_rate_and_rest_are_those_since_the_start() -> None:
    tally = Tally()
    assert tally.progress(5.0) == FillProgress()
    tally.begin(3, 300, now=10.0)
    tally.add("acme", "a", 100)
    tally.made, tally.under_way = 60, 20
    found = tally.progress(16.0)
    assert found == FillProgress(1, 3, 120, 300, 10.0)
    assert found.seconds_left == 18.0
    tally.begin(2, 110, now=20.0)  # a later look; some were deleted
    assert tally.progress(16.0).chunk_count == 120, "never more done than there is"
