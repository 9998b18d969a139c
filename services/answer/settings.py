"""The answer service's settings, from the environment and `.env`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator

from libs.settings import MIB, ServiceSettings
from libs.state_url import StateUrl
from services.answer.conversations.protocol import ConversationLimits
from services.answer.providers.models import load_models
from services.answer.providers.providers_file import ProvidersFile, load_providers
from services.answer.providers.registry import (
    ANTHROPIC_DEFAULT_MODEL,
    OPENAI_DEFAULT_MODEL,
    specs_from_settings,
)
from services.answer.providers.spec import ProviderSpec, base_url_fault, key_fault

T = TypeVar("T")


class Settings(ServiceSettings):
    """What an operator can choose. Every duration is in seconds."""

    host: str = Field("127.0.0.1", validation_alias="ANSWER_HOST")
    """Address to listen on. The service trusts its callers: keep it inside."""
    port: int = Field(50054, ge=0, le=65535, validation_alias="ANSWER_PORT")
    """Port to listen on."""
    metrics_port: int = Field(0, ge=0, le=65535, validation_alias="ANSWER_METRICS_PORT")
    """Port of Prometheus metrics (`/metrics`); 0: none."""
    health_port: int = Field(0, ge=0, le=65535, validation_alias="ANSWER_HEALTH_PORT")
    """A second port for health checks alone, without TLS: probes of Kubernetes cannot speak it. 0: none."""

    llm_model: str = Field("", validation_alias="LLM_MODEL")
    """Model of the one configured provider; with several, use OPENAI_MODEL and ANTHROPIC_MODEL."""
    llm_temperature: float = Field(0.0, ge=0, le=2, validation_alias="LLM_TEMPERATURE")
    """0 keeps answers close to the documents. Not sent to models that refuse it."""
    llm_max_tokens: int = Field(1024, ge=16, le=100_000, validation_alias="LLM_MAX_TOKENS")
    """Longest answer in tokens."""
    llm_timeout_seconds: float = Field(60.0, gt=0, le=3600, validation_alias="LLM_TIMEOUT")
    """The longest one provider call may take; the caller's deadline may be shorter."""

    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias="OPENAI_API_KEY")
    """Makes the provider `openai` available."""
    openai_base_url: str = Field("", validation_alias="OPENAI_BASE_URL")
    """Another server with the same API (Azure, vLLM, Ollama, ...); it may need no key."""
    openai_model: str = Field(OPENAI_DEFAULT_MODEL, validation_alias="OPENAI_MODEL")
    """Its model."""
    openai_organization: str = Field("", validation_alias="OPENAI_ORGANIZATION")
    """Sent as a header when set."""
    openai_project: str = Field("", validation_alias="OPENAI_PROJECT")
    """Sent as a header when set."""
    anthropic_api_key: SecretStr = Field(SecretStr(""), validation_alias="ANTHROPIC_API_KEY")
    """Makes the provider `anthropic` available."""
    anthropic_base_url: str = Field("", validation_alias="ANTHROPIC_BASE_URL")
    """Another server with the same API."""
    anthropic_model: str = Field(ANTHROPIC_DEFAULT_MODEL, validation_alias="ANTHROPIC_MODEL")
    """Its model."""
    anthropic_native_citations: bool = Field(False, validation_alias="ANTHROPIC_NATIVE_CITATIONS")
    """Let the model cite by itself instead of by numbers in its text; see docs/providers.md."""
    providers_file: Path | None = Field(None, validation_alias="PROVIDERS_FILE")
    """A TOML file with any number of providers, which come before those above; see docs/providers.md."""
    models_file: Path | None = Field(None, validation_alias="MODELS_FILE")
    """A TOML file with context windows and prices of further models; see providers/models.toml."""

    prompts_dir: Path | None = Field(None, validation_alias="PROMPTS_DIR")
    """A folder of prompt versions instead of the packaged ones."""
    prompt_version: str = Field("v2", validation_alias="PROMPT_VERSION")
    """The version used when a request names none."""

    evidence_threshold: float = Field(0.18, ge=0, le=1, validation_alias="ANSWER_EVIDENCE_THRESHOLD")
    """Relevance (0 to 1) at least one passage needs; below it the answer is NO_EVIDENCE. Set so that
    no answerable question about samples/ is refused (tests/e2e/test_main_path.py)."""
    max_sentences: int = Field(2, ge=1, le=10, validation_alias="EXTRACTIVE_MAX_SENTENCES")
    """Sentences the extractive provider may pick: 1 for short answers, 2 to hold the answer more often."""
    min_confidence: float = Field(0.1, ge=0, le=1, validation_alias="EXTRACTIVE_MIN_CONFIDENCE")
    """Probability of being right (0 to 1) below which the extractive provider says no; docs/answers.md shows
    what each value refuses."""

    conversation_ttl_seconds: float = Field(86_400.0, gt=0, validation_alias="CONVERSATION_TTL_SECONDS")
    """An unused conversation is forgotten after this time. Without STATE_URL a restart forgets all."""
    conversation_max_turns: int = Field(10, ge=1, le=100, validation_alias="CONVERSATION_MAX_TURNS")
    """Turns kept of each."""
    conversation_max_bytes: int = Field(262_144, ge=1024, validation_alias="CONVERSATION_MAX_BYTES")
    """Bytes kept of each; the oldest turns go first."""
    conversation_max_count: int = Field(10_000, ge=1, validation_alias="CONVERSATION_MAX_COUNT")
    """Conversations kept in this process; the least recently used goes first. Redis has its own limits."""
    usage_log_file: Path | None = Field(None, validation_alias="USAGE_LOG_FILE")
    """A file that gets one JSON line a provider attempt: who, what model, tokens, cost; never a text.
    `docuquery admin cost` sums it. Replicas need a file each."""
    usage_log_rotate_bytes: int = Field(64 * MIB, ge=4096, validation_alias="USAGE_LOG_ROTATE_BYTES")
    """At this size the file is put aside as `<name>.<time>`, and a new one begins. None is ever deleted."""

    state_url: StateUrl = Field(SecretStr(""), validation_alias="STATE_URL")
    """Redis for what replicas share, the counts of rate limits and conversations:
    `redis://[[user]:password@]host:port/0`, `rediss://` for TLS. Empty: each process keeps its own."""
    state_timeout_seconds: float = Field(0.5, gt=0, le=10, validation_alias="STATE_TIMEOUT_SECONDS")
    """The longest one look there may take; then the answer is made without, and says so."""

    @field_validator("openai_api_key", "anthropic_api_key")
    @classmethod
    def _key(cls, value: SecretStr) -> SecretStr:
        return _sound(value, key_fault(value.get_secret_value().strip()))

    @field_validator("openai_base_url", "anthropic_base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return _sound(value, base_url_fault(value.strip()))

    @field_validator("providers_file")
    @classmethod
    def _providers_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            load_providers(value, _variable)
        return value

    @field_validator("models_file")
    @classmethod
    def _models_file(cls, value: Path | None) -> Path | None:
        load_models(value)
        return value

    @property
    def conversation_limits(self) -> ConversationLimits:
        """How much is kept of one conversation."""
        return ConversationLimits(
            self.conversation_ttl_seconds, self.conversation_max_turns, self.conversation_max_bytes
        )

    @property
    def provider_specs(self) -> tuple[ProviderSpec, ...]:
        """The model providers these settings describe: those of the file, then the plain ones.

        A plain one is left out when the file has a provider of its name, or takes its key.
        """
        file = load_providers(self.providers_file, _variable) if self.providers_file else ProvidersFile()
        taken = {spec.name for spec in file.specs}
        plain = [
            spec
            for spec in self._plain_specs()
            if spec.name not in taken and f"{spec.name.upper()}_API_KEY" not in file.key_variables
        ]
        return (*file.specs, *plain)

    def _plain_specs(self) -> tuple[ProviderSpec, ...]:
        return specs_from_settings(
            openai_api_key=self.openai_api_key.get_secret_value(),
            openai_base_url=self.openai_base_url,
            openai_model=self.openai_model,
            openai_organization=self.openai_organization,
            openai_project=self.openai_project,
            anthropic_api_key=self.anthropic_api_key.get_secret_value(),
            anthropic_base_url=self.anthropic_base_url,
            anthropic_model=self.anthropic_model,
            anthropic_native_citations=self.anthropic_native_citations,
            llm_model=self.llm_model,
        )


def _sound(value: T, fault: str) -> T:
    """The value of a setting. Raises ValueError when it has a fault."""
    if fault:
        raise ValueError(fault)
    return value


def _variable(name: str) -> str | None:
    """A variable as settings find theirs: in the environment, else in `.env`."""
    return os.environ.get(name) or dotenv_values(".env").get(name)
