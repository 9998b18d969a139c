"""A table of bounded size forgets what was put in first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.store.remembered import Remembered


@given(st.integers(1, 5), st.lists(st.dictionaries(st.integers(0, 9), st.integers())))
def test_it_holds_the_last_new_keys_with_their_last_values(limit: int, puts: list[dict[int, int]]) -> None:
    table: Remembered[int, int] = Remembered(limit)
    model: list[tuple[int, int]] = []
    for entries in puts:
        table.put(entries)
        for key, value in entries.items():
            places = [place for place, (held, _) in enumerate(model) if held == key]
            if places:
                model[places[0]] = (key, value)
            else:
                model.append((key, value))
        model = model[-limit:]
        assert list(table.items()) == model


def test_what_is_dropped_is_forgotten_and_makes_room() -> None:
    table: Remembered[str, int] = Remembered(2)
    table.put({"a": 1, "b": 2})
    table.drop(["a", "c"])
    table.put({"d": 4})
    assert table == {"b": 2, "d": 4}
