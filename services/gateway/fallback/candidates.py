"""Which providers are asked, in which order: a pure decision, made anew for each request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.gateway.breakers.registry import provider_target

AUTO = "auto"
"""LLM_PROVIDER's default: every model provider the answer service offers, in its order."""

_EXTRACTIVE = "extractive"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that the answer service offers."""

    name: str
    adapter: str
    """`anthropic`, `openai` or `extractive`."""
    model: str
    context_window_tokens: int = 0
    """0 when not known."""
    configuration: str = ""
    """A digest of all that its answers depend on besides a request."""

    @property
    def target(self) -> str:
        """The name of its circuit breaker."""
        return provider_target(self.name, self.model)

    @property
    def is_extractive(self) -> bool:
        """Whether it picks sentences instead of asking a model."""
        return self.adapter == _EXTRACTIVE


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to ask."""

    candidates: tuple[Candidate, ...]
    """In this order."""
    last_rung: Candidate | None
    """Asked when no candidate answers: extractive, which needs nothing from outside."""
    missing: tuple[str, ...]
    """Configured in LLM_PROVIDER, but not offered by the answer service."""

    @property
    def first_choice(self) -> str:
        """The provider that should answer; empty when there is none at all."""
        if self.missing:
            return self.missing[0]
        return self.candidates[0].name if self.candidates else ""


def parse_order(setting: str) -> tuple[str, ...]:
    """LLM_PROVIDER as names in order; empty for `auto`."""
    names = tuple(dict.fromkeys(name.strip() for name in setting.split(",") if name.strip()))
    return () if names in ((), (AUTO,)) else names


def make_plan(
    offered: Sequence[Candidate], order: Sequence[str], preferred: str, extractive_fallback: bool
) -> Plan:
    """Whom to ask for one request.

    `order` names providers (empty: auto). `preferred`, the caller's wish, goes first when given. The
    extractive provider comes last of all, and only with `extractive_fallback` or when it is named; where
    nothing else is configured it is simply the provider. Raises PROVIDER_NOT_CONFIGURED.
    """
    by_name = {candidate.name: candidate for candidate in offered}
    if preferred and preferred not in by_name:
        raise _not_configured(preferred, list(by_name))
    extractive = next((candidate for candidate in offered if candidate.is_extractive), None)
    names = list(order) or [candidate.name for candidate in offered if not candidate.is_extractive]
    if not names and extractive is not None:
        names = [extractive.name]
    if preferred:
        names = [preferred, *(name for name in names if name != preferred)]
    missing = tuple(name for name in names if name not in by_name)
    chosen = [by_name[name] for name in names if name in by_name]
    last_rung = None
    if chosen and chosen[-1].is_extractive and len(names) > 1:
        last_rung = chosen.pop()
    elif extractive_fallback and extractive not in chosen:
        last_rung = extractive
    return Plan(tuple(chosen), last_rung, missing)


def _not_configured(name: str, available: Sequence[str]) -> DocuQueryError:
    names = ", ".join(available)
    return DocuQueryError(
        reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED,
        f"There is no provider `{name}` here. Available: {names or 'none'}.",
        metadata={"available": names},
    )
