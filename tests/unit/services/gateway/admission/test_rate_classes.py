"""Rate classes as an operator writes them."""

import pytest

from services.gateway.admission.rate_classes import RateClasses, parse_rate_classes


def test_a_class_is_a_name_and_a_number() -> None:
    assert parse_rate_classes(" free=10, batch = 1000,internal=0, ") == {
        "free": 10,
        "batch": 1000,
        "internal": 0,
    }
    assert parse_rate_classes("") == {}


@pytest.mark.parametrize(
    "text", ["free", "free=", "=10", "free=ten", "free=-1", "two words=1", "a=1,a=2", "a=²"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must look like|twice"):
        parse_rate_classes(text)


def test_who_has_no_class_has_the_default() -> None:
    classes = RateClasses(5, {"batch": 100, "internal": 0})
    assert [classes.limit_of(name) for name in ("", "batch", "internal", "gone")] == [5, 100, 0, 5]


def test_whether_there_is_any_limit() -> None:
    assert not RateClasses().limits_anybody
    assert not RateClasses(0, {"internal": 0}).limits_anybody
    assert RateClasses(0, {"free": 1}).limits_anybody
    assert RateClasses(1).limits_anybody
