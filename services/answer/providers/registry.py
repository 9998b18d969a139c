"""Builds the configured instances: any number of them, each with a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from services.answer.providers.models import ModelCatalog
from services.answer.providers.protocol import Provider
from services.answer.providers.spec import Endpoint, ProviderSpec, faults_of

OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
ANTHROPIC_DEFAULT_MODEL = "claude-haiku-4-5"


class HttpProvider(Provider, Protocol):
    """A provider that holds connections."""

    async def aclose(self) -> None:
        """Closes its connections."""
        ...


def specs_from_settings(
    *,
    openai_api_key: str = "",
    openai_base_url: str = "",
    openai_model: str = "",
    openai_organization: str = "",
    openai_project: str = "",
    anthropic_api_key: str = "",
    anthropic_base_url: str = "",
    anthropic_model: str = "",
    anthropic_native_citations: bool = False,
    llm_model: str = "",
) -> tuple[ProviderSpec, ...]:
    """The instances the plain settings describe, `openai` first; empty means not set.

    One is there when its key or its base URL is set. `llm_model` overrides the model when there is
    exactly one; with two it could fit only one of them, and is not used.
    """
    openai_present = bool(openai_api_key or openai_base_url)
    anthropic_present = bool(anthropic_api_key or anthropic_base_url)
    override = llm_model if openai_present != anthropic_present else ""
    specs = []
    if openai_present:
        specs.append(
            ProviderSpec(
                name="openai",
                adapter="openai",
                model=override or openai_model or OPENAI_DEFAULT_MODEL,
                endpoint=Endpoint(openai_api_key.strip(), openai_base_url.strip() or None),
                organization=openai_organization.strip() or None,
                project=openai_project.strip() or None,
            )
        )
    if anthropic_present:
        specs.append(
            ProviderSpec(
                name="anthropic",
                adapter="anthropic",
                model=override or anthropic_model or ANTHROPIC_DEFAULT_MODEL,
                endpoint=Endpoint(anthropic_api_key.strip(), anthropic_base_url.strip() or None),
                native_citations=anthropic_native_citations,
            )
        )
    return tuple(specs)


def build_providers(
    specs: Sequence[ProviderSpec],
    catalog: ModelCatalog,
    *,
    temperature: float | None = 0.0,
    max_tokens: int = 1024,
) -> dict[str, HttpProvider]:
    """The instances by name, in the order of `specs`; close each with `aclose()`.

    `temperature` and `max_tokens` count where a spec has none of its own; an answer is never asked to be
    longer than the model can write. Raises ValueError with every fault and no key when a spec is not valid
    or two have the same name.
    """
    faults = [f"provider {spec.name!r}: {fault}" for spec in specs for fault in faults_of(spec)]
    for spec in specs:
        known = replace(catalog.capabilities(spec.model), **spec.known)
        if spec.native_citations and not known.native_citations:
            faults.append(f"provider {spec.name!r}: the model {spec.model} is not known to cite by itself")
    names = [spec.name for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"provider names must be unique; given more than once: {', '.join(twice)}")
    if faults:
        raise ValueError("; ".join(faults))
    return {spec.name: _build(spec, catalog, temperature, max_tokens) for spec in specs}


def _build(
    spec: ProviderSpec, catalog: ModelCatalog, temperature: float | None, max_tokens: int
) -> HttpProvider:
    known = replace(catalog.capabilities(spec.model), **spec.known)
    wanted = spec.max_tokens or max_tokens
    settings: dict[str, Any] = {
        "name": spec.name,
        "model": spec.model,
        "endpoint": spec.endpoint,
        "capabilities": replace(
            known,
            answer_tokens=min(wanted, known.max_output_tokens or wanted),
            native_citations=spec.native_citations,
        ),
        "temperature": temperature if spec.temperature is None else spec.temperature,
    }
    # Importing an SDK takes about a second of CPU: only who uses it pays for it.
    if spec.adapter == "openai":
        from services.answer.providers.openai import OpenAiProvider

        return OpenAiProvider(organization=spec.organization, project=spec.project, **settings)
    from services.answer.providers.anthropic import AnthropicProvider

    return AnthropicProvider(**settings)
