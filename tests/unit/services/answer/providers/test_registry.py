"""From plain settings to named instances."""

from __future__ import annotations

import pytest

from services.answer.providers.models import load_models
from services.answer.providers.registry import (
    ANTHROPIC_DEFAULT_MODEL,
    OPENAI_DEFAULT_MODEL,
    build_providers,
    specs_from_settings,
)
from services.answer.providers.spec import Endpoint, ProviderSpec

KEY = "sk-secret-0123456789"


def test_nothing_set_means_no_provider() -> None:
    assert specs_from_settings(openai_model="m", anthropic_model="m", llm_model="m") == ()


@pytest.mark.parametrize("setting", ["api_key", "base_url"])
@pytest.mark.parametrize(
    ("adapter", "default"), [("openai", OPENAI_DEFAULT_MODEL), ("anthropic", ANTHROPIC_DEFAULT_MODEL)]
)
def test_a_key_or_a_base_url_makes_a_provider(adapter: str, default: str, setting: str) -> None:
    (spec,) = specs_from_settings(**{f"{adapter}_{setting}": "http://127.0.0.1:1"})
    assert (spec.name, spec.adapter, spec.model) == (adapter, adapter, default)


def test_the_common_model_overrides_that_of_the_only_provider() -> None:
    (spec,) = specs_from_settings(openai_api_key="k", openai_model="a", llm_model="b")
    assert spec.model == "b"


def test_with_two_providers_each_keeps_its_own_model() -> None:
    specs = specs_from_settings(
        openai_api_key="k", openai_model="a", anthropic_api_key="k", anthropic_model="c", llm_model="b"
    )
    assert [(s.name, s.model) for s in specs] == [("openai", "a"), ("anthropic", "c")]


def test_blanks_around_a_key_are_taken_off_and_the_key_is_not_shown() -> None:
    (spec,) = specs_from_settings(openai_api_key=f" {KEY}\n")
    assert spec.endpoint.api_key == KEY
    assert KEY not in repr(spec)


async def test_any_number_of_instances_of_one_adapter_can_be_built() -> None:
    specs = [
        ProviderSpec(name="fast", adapter="openai", model="gpt-4o-mini", endpoint=Endpoint(KEY)),
        ProviderSpec(
            name="local", adapter="openai", model="llama", endpoint=Endpoint(base_url="http://127.0.0.1:1/v1")
        ),
        ProviderSpec(name="third", adapter="anthropic", model="claude-haiku-4-5", endpoint=Endpoint(KEY)),
    ]
    built = build_providers(specs, load_models())
    assert [(n, p.name, p.adapter, p.model) for n, p in built.items()] == [
        (s.name, s.name, s.adapter, s.model) for s in specs
    ]
    assert built["fast"].capabilities == load_models().capabilities("gpt-4o-mini")
    assert KEY not in repr(built)
    for provider in built.values():
        await provider.aclose()


GOOD = ProviderSpec(name="a", adapter="openai", model="m", endpoint=Endpoint(KEY))


@pytest.mark.parametrize(
    ("specs", "fault"),
    [
        ([GOOD, GOOD], "more than once: a"),
        ([ProviderSpec(name="A b", adapter="openai", model="m")], "name"),
        ([ProviderSpec(name="a", adapter="other", model="m")], "adapter"),
        ([ProviderSpec(name="a", adapter="openai", model="")], "model"),
        ([ProviderSpec(name="a", adapter="openai", model="m", endpoint=Endpoint(f"{KEY}\n"))], "key"),
        ([ProviderSpec(name="a", adapter="openai", model="m", endpoint=Endpoint(f"{KEY}é"))], "key"),
        (
            [
                ProviderSpec(
                    name="a", adapter="openai", model="m", endpoint=Endpoint(base_url="localhost:8000")
                )
            ],
            "base_url",
        ),
    ],
)
def test_a_faulty_spec_is_refused_without_showing_a_key(specs: list[ProviderSpec], fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        build_providers(specs, load_models())
    assert KEY not in str(caught.value)
