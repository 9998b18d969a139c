"""Which providers are asked, in which order."""

from __future__ import annotations

import pytest

from libs.errors import DocuQueryError
from services.gateway.fallback.candidates import Plan, make_plan, parse_order
from tests.unit.services.gateway.support import candidate

OPENAI, ANTHROPIC, EXTRACTIVE = candidate("openai"), candidate("anthropic"), candidate("extractive")
ALL = (OPENAI, EXTRACTIVE, ANTHROPIC)


def names(plan: Plan) -> list[str]:
    rung = [plan.last_rung.name] if plan.last_rung else []
    return [c.name for c in plan.candidates] + [f"({name})" for name in rung]


@pytest.mark.parametrize(
    ("setting", "order"),
    [("auto", ()), ("", ()), (" , ", ()), ("openai", ("openai",)), (" b, a ,b", ("b", "a"))],
)
def test_the_setting_names_providers_or_leaves_it_open(setting: str, order: tuple[str, ...]) -> None:
    assert parse_order(setting) == order


def test_auto_asks_all_models_in_the_service_s_order_and_extractive_last() -> None:
    assert names(make_plan(ALL, (), "", True)) == ["openai", "anthropic", "(extractive)"]


def test_the_fallback_can_be_switched_off() -> None:
    assert names(make_plan(ALL, (), "", False)) == ["openai", "anthropic"]


@pytest.mark.parametrize("fallback", [True, False])
def test_where_nothing_else_is_configured_extractive_is_simply_the_provider(fallback: bool) -> None:
    plan = make_plan((EXTRACTIVE,), (), "", fallback)
    assert names(plan) == ["extractive"]
    assert plan.first_choice == "extractive"


def test_a_configured_order_is_kept() -> None:
    assert names(make_plan(ALL, ("anthropic", "openai"), "", True)) == ["anthropic", "openai", "(extractive)"]
    assert names(make_plan(ALL, ("anthropic",), "", False)) == ["anthropic"]


def test_extractive_named_last_is_the_rung_whatever_the_fallback_says() -> None:
    assert names(make_plan(ALL, ("openai", "extractive"), "", False)) == ["openai", "(extractive)"]


def test_extractive_named_first_is_a_provider_like_others() -> None:
    assert names(make_plan(ALL, ("extractive", "openai"), "", True)) == ["extractive", "openai"]


def test_the_caller_s_wish_goes_first() -> None:
    assert names(make_plan(ALL, (), "anthropic", True)) == ["anthropic", "openai", "(extractive)"]
    assert names(make_plan(ALL, (), "extractive", True)) == ["extractive", "openai", "anthropic"]
    assert names(make_plan(ALL, ("openai",), "anthropic", False)) == ["anthropic", "openai"]


def test_an_unknown_wish_is_refused_with_what_there_is() -> None:
    with pytest.raises(DocuQueryError) as refusal:
        make_plan(ALL, (), "gemini", True)
    assert refusal.value.reason_name == "PROVIDER_NOT_CONFIGURED"
    assert refusal.value.metadata == {"available": "openai, extractive, anthropic"}


def test_a_configured_provider_that_is_not_offered_is_remembered_as_missing() -> None:
    plan = make_plan((EXTRACTIVE,), ("openai", "anthropic"), "", True)
    assert (names(plan), plan.missing, plan.first_choice) == (
        ["(extractive)"],
        ("openai", "anthropic"),
        "openai",
    )


def test_no_provider_at_all_makes_an_empty_plan() -> None:
    plan = make_plan((), (), "", True)
    assert (plan.candidates, plan.last_rung, plan.first_choice) == ((), None, "")
