"""Builds the configured instances: any number of them, each with a name of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.answer.providers.models import ModelCatalog
from services.answer.providers.protocol import Provider

OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
ANTHROPIC_DEFAULT_MODEL = "claude-haiku-4-5"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_KEY = re.compile(r"[!-~]*")


class HttpProvider(Provider, Protocol):
    """A provider that holds connections."""

    async def aclose(self) -> None:
        """Closes its connections."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One instance of an adapter."""

    name: str
    """Unique; lower-case letters, digits and `._-`, at most 63 characters."""
    adapter: str
    """`openai` or `anthropic`."""
    model: str
    api_key: str = field(default="", repr=False)
    """Empty: the server asks for none."""
    base_url: str | None = None
    """None: the maker's own."""
    organization: str | None = None
    """Adapter `openai` only, like `project`."""
    project: str | None = None


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
                api_key=openai_api_key.strip(),
                base_url=openai_base_url.strip() or None,
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
                api_key=anthropic_api_key.strip(),
                base_url=anthropic_base_url.strip() or None,
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

    Raises ValueError, without showing any key, when a spec is not valid or two have the same name.
    """
    for spec in specs:
        _check(spec)
    names = [spec.name for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Provider names must be unique; given more than once: {', '.join(twice)}.")
    return {spec.name: _build(spec, catalog, temperature, max_tokens) for spec in specs}


def _build(
    spec: ProviderSpec, catalog: ModelCatalog, temperature: float | None, max_tokens: int
) -> HttpProvider:
    capabilities = catalog.capabilities(spec.model)
    # Importing an SDK takes about a second of CPU: only who uses it pays for it.
    if spec.adapter == "openai":
        from services.answer.providers.openai import OpenAiProvider

        return OpenAiProvider(
            name=spec.name,
            model=spec.model,
            api_key=spec.api_key,
            base_url=spec.base_url,
            organization=spec.organization,
            project=spec.project,
            capabilities=capabilities,
            temperature=temperature,
            max_tokens=max_tokens,
        )
    from services.answer.providers.anthropic import AnthropicProvider

    return AnthropicProvider(
        name=spec.name,
        model=spec.model,
        api_key=spec.api_key,
        base_url=spec.base_url,
        capabilities=capabilities,
        temperature=temperature,
        max_tokens=max_tokens,
    )


def _check(spec: ProviderSpec) -> None:
    """What would otherwise fail at the first question, or in an exception that quotes the key."""
    if not _NAME.fullmatch(spec.name):
        raise ValueError(f"The provider name {spec.name!r} must match {_NAME.pattern}.")
    if spec.adapter not in ("openai", "anthropic"):
        raise ValueError(f"Provider {spec.name}: {spec.adapter!r} is no adapter; openai and anthropic are.")
    if not spec.model:
        raise ValueError(f"Provider {spec.name}: a model must be named.")
    if not _KEY.fullmatch(spec.api_key):
        raise ValueError(f"Provider {spec.name}: the API key must be printable ASCII without spaces.")
    if spec.base_url is not None and not re.match(r"https?://[^/\s]", spec.base_url):
        raise ValueError(
            f"Provider {spec.name}: the base URL must begin with http:// or https:// and a host."
        )
