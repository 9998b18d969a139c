"""What to check where answer runs: `python -m services.answer.doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from libs.clock import Clock
from libs.doctor import network
from libs.doctor.finding import Finding, error, ok, warning
from libs.doctor.redis import redis
from libs.doctor.run import main
from services.answer.prompts.manager import PromptManager
from services.answer.providers.models import load_models
from services.answer.settings import Settings

_API = {"openai": "https://api.openai.com", "anthropic": "https://api.anthropic.com"}


async def checks(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """Prompts, what replicas share, and model providers: whether they can be reached and have prices."""
    found = [_prompts(settings)]
    if state_url := settings.state_url.get_secret_value():
        found += await redis(state_url, clock)
    return [*found, *await _providers(settings)]


def _prompts(settings: Settings) -> Finding:
    try:
        prompts = PromptManager(settings.prompts_dir, default_version=settings.prompt_version)
    except (ValueError, OSError) as failure:
        return error("prompts", str(failure), "Correct PROMPTS_DIR or PROMPT_VERSION.")
    versions = ", ".join(prompt.version for prompt in prompts.versions())
    return ok("prompts", f"versions {versions}; {settings.prompt_version} is the default")


async def _providers(settings: Settings) -> list[Finding]:
    specs = settings.provider_specs
    if not specs:
        return [
            warning(
                "providers",
                "no model provider is configured: answers are sentences of the documents",
                "Set OPENAI_API_KEY or ANTHROPIC_API_KEY, or describe your servers in PROVIDERS_FILE.",
            )
        ]
    try:
        models = load_models(settings.models_file)
    except (ValueError, OSError) as failure:
        return [error("providers", str(failure), "Correct MODELS_FILE.")]
    found = []
    for spec in specs:
        known = replace(models.capabilities(spec.model), **spec.known)
        if known.input_micro_usd_per_million_tokens is None:
            found.append(
                warning(
                    "providers",
                    f"{spec.name}: the price of {spec.model} is not known, and its cost counts as nothing",
                    "Give its price in PROVIDERS_FILE or MODELS_FILE.",
                )
            )
        found.append(
            await network.address(
                spec.name,
                spec.endpoint.base_url or _API[spec.adapter],
                "Check its base URL, name resolution, and whether egress is allowed.",
            )
        )
    return found


if __name__ == "__main__":
    main("answer", Settings, checks)
