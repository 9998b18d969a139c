"""Settings every service has, and how they are loaded: environment first, then `.env`, then the profile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from libs.profiles import DEFAULT_PROFILE, ProfileDefaults, ProfileName
from libs.rpc.targets import is_loopback
from libs.rpc.tls_files import ClientTls, ServerTls, describe_missing

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

    profile: ProfileName = Field(DEFAULT_PROFILE, validation_alias="PROFILE")
    """Defaults for where this runs, see docs/configuration.md. `prod` refuses callers without a key and plain
    text off loopback."""

    environment: Literal["development", "staging", "production"] = Field(
        "development", validation_alias="ENVIRONMENT"
    )
    """What logs, metrics and traces call the place where this runs."""

    debug: bool = Field(False, validation_alias="DEBUG")
    """Log at DEBUG level whatever LOG_LEVEL says."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", validation_alias="LOG_LEVEL")
    """Least severe level that is logged."""

    log_format: Literal["auto", "json", "console"] = Field("auto", validation_alias="LOG_FORMAT")
    """`auto`: console on a terminal, JSON lines otherwise."""

    log_masking: bool = Field(True, validation_alias="LOG_MASKING")
    """Take e-mail addresses, telephone, card and account numbers, keys and tokens out of log lines."""

    log_debug_seconds: float = Field(600.0, gt=0, le=86_400, validation_alias="LOG_DEBUG_SECONDS")
    """How long SIGUSR1 makes a service log at DEBUG level; SIGUSR2 ends it at once."""

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

    max_connection_age_seconds: float = Field(0.0, ge=0, validation_alias="MAX_CONNECTION_AGE_SECONDS")
    """After this time (a tenth more or less) a caller is asked to connect anew, while its calls under way go
    on: that is when it looks for addresses again, and finds replicas that were added. 0: never."""

    reflection_enabled: bool = Field(True, validation_alias="REFLECTION_ENABLED")
    """Serve gRPC reflection, which grpcurl needs to know the contract."""

    channelz_enabled: bool = Field(False, validation_alias="CHANNELZ_ENABLED")
    """Serve channelz, gRPC's own view of its connections (needs the extra telemetry). The gateway asks for
    a key first."""

    allow_plaintext: bool = Field(False, validation_alias="ALLOW_PLAINTEXT")
    """Listen without TLS on addresses other than loopback: for networks that encrypt by themselves, as a
    service mesh does. Refused in the profile `prod`."""

    tls_cert_file: Path | None = Field(None, validation_alias="TLS_CERT_FILE")
    """Certificate (PEM, with its chain) this service shows to the others, as a server and as a caller.
    Changed files are read again without a restart, here and in all TLS settings."""

    tls_key_file: Path | None = Field(None, validation_alias="TLS_KEY_FILE")
    """Its private key (PEM, not encrypted)."""

    tls_ca_file: Path | None = Field(None, validation_alias="TLS_CA_FILE")
    """Certificates (PEM) of the authorities that sign for the services. When it is set, services are called
    by TLS only, and callers of ingest, retrieval and answer must show a certificate signed by them."""

    tls_server_name: str = Field("", validation_alias="TLS_SERVER_NAME")
    """The name in the certificates of the services called, where it is not the host in their address: needed
    for lists of IP addresses."""

    metrics_host: str = Field("127.0.0.1", validation_alias="METRICS_HOST")
    """Address the metrics ports listen on. They speak plain HTTP and show counts and times, no contents."""

    metrics_port: int = Field(0, ge=0, le=65535)
    """Port of Prometheus metrics (`/metrics`); 0: none."""

    health_host: str = Field("127.0.0.1", validation_alias="HEALTH_HOST")
    """Address the health ports listen on."""

    health_port: int = Field(0, ge=0, le=65535)
    """A second port for health checks alone, without TLS: probes of Kubernetes cannot speak it. 0: none."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Adds the profile below everything else."""
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            file_secret_settings,
            ProfileDefaults(settings_cls),
        )

    @property
    def effective_log_level(self) -> str:
        """`log_level`, or DEBUG when `debug` is set."""
        return "DEBUG" if self.debug else self.log_level

    @property
    def server_tls(self) -> ServerTls | None:
        """How this service proves itself to callers, and what it asks of them; None: without TLS."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return ServerTls(self.tls_cert_file, self.tls_key_file, self.tls_ca_file)

    @property
    def client_tls(self) -> ClientTls | None:
        """How this service calls the others; None: without TLS."""
        if self.tls_ca_file is None:
            return None
        return ClientTls(self.tls_ca_file, self.tls_cert_file, self.tls_key_file, self.tls_server_name)

    def variable(self, field: str) -> str:
        """The environment variable of a field, for messages."""
        return str(type(self).model_fields[field].validation_alias or field.upper())

    def faults_together(self) -> list[str]:
        """What is wrong with settings that are right one by one: a sentence each. Services add their own."""
        faults = describe_missing("TLS", self.tls_cert_file, self.tls_key_file, self.tls_ca_file)
        if not is_loopback(self.host) and self.server_tls is None:
            if self.profile == "prod":
                faults.append(
                    f"{self.variable('host')}={self.host} is not loopback: the profile prod needs TLS there"
                )
            elif not self.allow_plaintext:
                faults.append(
                    f"{self.variable('host')}={self.host} would carry documents in plain text over the "
                    "network: configure TLS, or set ALLOW_PLAINTEXT=true if the network encrypts by itself"
                )
        return faults

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        faults = self.faults_together()
        if faults:
            raise ValueError("\n".join(faults))
        return self


S = TypeVar("S", bound=ServiceSettings)


def describe_faults(error: ValidationError) -> list[str]:
    """One line a fault: the variable's name and what it must be. Values are left out: they may be secret."""
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        lines += [f"{name}: {message}"] if name else message.split("\n")
    return lines


def load_settings(settings_class: type[S]) -> S:
    """Reads the settings; prints every fault by name and exits with 2 when there are any."""
    try:
        return settings_class()
    except ValidationError as error:
        sys.stderr.write("The configuration is not valid:\n")
        for line in all_faults(settings_class, error):
            sys.stderr.write(f"  {line}\n")
        raise SystemExit(2) from None
    except (UnicodeDecodeError, OSError) as error:
        sys.stderr.write(f"The configuration is not valid:\n  {unreadable(error)}\n")
        raise SystemExit(2) from None


def unreadable(error: UnicodeDecodeError | OSError) -> str:
    """What is wrong with a `.env` that cannot be read."""
    return f".env: {'not UTF-8 text' if isinstance(error, UnicodeDecodeError) else error.strerror}"


def all_faults(settings_class: type[ServiceSettings], first: ValidationError) -> list[str]:
    """The faults of `first`, and those of settings together, which show when each is right by itself."""
    lines = describe_faults(first)
    faulty = {str(fault["loc"][0]) for fault in first.errors(include_input=False) if fault["loc"]}
    if not faulty:
        return lines
    defaults = {
        alias: field.get_default(call_default_factory=True)
        for name, field in settings_class.model_fields.items()
        if (alias := str(field.validation_alias or name)) in faulty
    }
    try:
        settings_class(**defaults)
    except ValidationError as second:
        lines += [line for line in describe_faults(second) if line not in lines]
    return lines
