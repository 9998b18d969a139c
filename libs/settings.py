"""Settings every service has, and how they are loaded: environment first, then `.env`."""

from __future__ import annotations

import sys
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class ServiceSettings(BaseSettings):
    """What all four services share. A service adds its own fields, `host` and `port` among them."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    environment: Literal["development", "staging", "production"] = Field(
        "development", validation_alias="ENVIRONMENT"
    )
    """Where this runs; a label in the logs."""

    debug: bool = Field(False, validation_alias="DEBUG")
    """Log at DEBUG level whatever LOG_LEVEL says."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", validation_alias="LOG_LEVEL")
    """Least severe level that is logged."""

    log_format: Literal["auto", "json", "console"] = Field("auto", validation_alias="LOG_FORMAT")
    """`auto`: console on a terminal, JSON lines otherwise."""

    log_masking: bool = Field(True, validation_alias="LOG_MASKING")
    """Take e-mail addresses, telephone and card numbers, keys and tokens out of log lines."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(0, ge=0, le=65535)
    """Port to listen on; 0 takes any free one."""

    drain_seconds: float = Field(10.0, ge=0, validation_alias="DRAIN_SECONDS")
    """How long calls under way may take to finish after SIGTERM."""

    drain_notice_seconds: float = Field(2.0, ge=0, validation_alias="DRAIN_NOTICE_SECONDS")
    """Before that: how long new calls are still served at most, while callers learn from the health check
    that they must go elsewhere. Ends as soon as no more come."""

    max_message_bytes: int = Field(16 * MIB, ge=64 * 1024, validation_alias="MAX_MESSAGE_BYTES")
    """Largest message between services. Larger ones are refused with MESSAGE_TOO_LARGE."""

    reflection_enabled: bool = Field(True, validation_alias="REFLECTION_ENABLED")
    """Serve gRPC reflection, which grpcurl needs to know the contract."""

    @property
    def effective_log_level(self) -> str:
        """`log_level`, or DEBUG when `debug` is set."""
        return "DEBUG" if self.debug else self.log_level


S = TypeVar("S", bound=ServiceSettings)


def describe_faults(error: ValidationError) -> list[str]:
    """One line a fault: the variable's name and what it must be. Values are left out: they may be secret."""
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in fault["loc"]) or "settings"
        lines.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return lines


def load_settings(settings_class: type[S]) -> S:
    """Reads the settings; prints every fault by name and exits with 2 when there are any."""
    try:
        return settings_class()
    except ValidationError as error:
        sys.stderr.write("The configuration is not valid:\n")
        for line in describe_faults(error):
            sys.stderr.write(f"  {line}\n")
        raise SystemExit(2) from None
