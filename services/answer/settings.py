"""The answer service's settings, from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from libs.settings import ServiceSettings
from services.answer.providers.registry import (
    ANTHROPIC_DEFAULT_MODEL,
    OPENAI_DEFAULT_MODEL,
    ProviderSpec,
    specs_from_settings,
)


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
    """Sentences the extractive provider may pick."""

    conversation_ttl_seconds: float = Field(86_400.0, gt=0, validation_alias="CONVERSATION_TTL_SECONDS")
    """An unused conversation is forgotten after this time. Restarting the service forgets all of them."""
    conversation_max_turns: int = Field(10, ge=1, le=100, validation_alias="CONVERSATION_MAX_TURNS")
    """Turns kept of each."""
    conversation_max_count: int = Field(10_000, ge=1, validation_alias="CONVERSATION_MAX_COUNT")
    """Conversations kept; the least recently used goes first."""

    @property
    def provider_specs(self) -> tuple[ProviderSpec, ...]:
        """The model providers these settings describe."""
        return specs_from_settings(
            openai_api_key=self.openai_api_key.get_secret_value(),
            openai_base_url=self.openai_base_url,
            openai_model=self.openai_model,
            openai_organization=self.openai_organization,
            openai_project=self.openai_project,
            anthropic_api_key=self.anthropic_api_key.get_secret_value(),
            anthropic_base_url=self.anthropic_base_url,
            anthropic_model=self.anthropic_model,
            llm_model=self.llm_model,
        )
