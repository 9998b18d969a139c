"""The gateway's settings, from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from libs.rpc.targets import dial_target, is_loopback
from libs.rpc.tls_files import ServerTls, describe_missing
from libs.settings import MIB, ServiceSettings
from libs.state_url import StateUrl
from services.gateway import budget
from services.gateway.admission.rate_classes import RateClasses, parse_rate_classes
from services.gateway.breakers.model import BreakerPolicy
from services.gateway.downstream.clients import ANSWER, INGEST, RETRIEVAL
from services.gateway.fallback.candidates import AUTO, parse_order
from services.gateway.fallback.ladder import AttemptPolicy
from services.gateway.identity.api_keys import ApiKey, load_api_keys
from services.gateway.identity.scopes import ROOM_OF, Room
from services.gateway.query import QueryPolicy
from services.gateway.uploads.proxy import UploadPolicy

_SMALLEST_BACKLOG = 256
"""Health checks wait in the same queue as questions."""


class Settings(ServiceSettings):
    """What an operator can choose. Every duration is in seconds."""

    host: str = Field("127.0.0.1", validation_alias="GATEWAY_HOST")
    """Address to listen on. Others than loopback need API keys, or ALLOW_ANONYMOUS."""
    port: int = Field(50051, ge=0, le=65535, validation_alias="GATEWAY_PORT")
    """Port to listen on."""
    metrics_port: int = Field(0, ge=0, le=65535, validation_alias="GATEWAY_METRICS_PORT")
    """Port of Prometheus metrics (`/metrics`); 0: none."""
    health_port: int = Field(0, ge=0, le=65535, validation_alias="GATEWAY_HEALTH_PORT")
    """A second port for health checks alone, without TLS: probes of Kubernetes cannot speak it. 0: none."""

    public_tls_cert_file: Path | None = Field(None, validation_alias="GATEWAY_TLS_CERT_FILE")
    """Certificate (PEM, with its chain) shown to callers of the gateway."""
    public_tls_key_file: Path | None = Field(None, validation_alias="GATEWAY_TLS_KEY_FILE")
    """Its private key (PEM, not encrypted)."""
    public_tls_client_ca_file: Path | None = Field(None, validation_alias="GATEWAY_TLS_CLIENT_CA_FILE")
    """When set, callers of the gateway must show a certificate signed by one of these authorities, besides
    their key."""

    ingest_target: str = Field("127.0.0.1:50052", validation_alias="INGEST_TARGET")
    """Where the ingest service is: `host:port`, a gRPC name (`dns:///ingest:50052` for all addresses behind a
    name), or the addresses of several replicas: `10.0.0.1:50052,10.0.0.2:50052`."""
    retrieval_target: str = Field("127.0.0.1:50053", validation_alias="RETRIEVAL_TARGET")
    """Where the retrieval service is."""
    answer_target: str = Field("127.0.0.1:50054", validation_alias="ANSWER_TARGET")
    """Where the answer service is."""
    readiness_services: str = Field("retrieval,answer", validation_alias="READINESS_SERVICES")
    """Without these the readiness check says NOT_SERVING. Questions need both; without ingest, uploads alone
    are refused."""

    api_keys: SecretStr = Field(SecretStr(""), validation_alias="API_KEYS")
    """JSON list of keys, as digests; see api_keys.py."""
    api_keys_file: Path | None = Field(None, validation_alias="API_KEYS_FILE")
    """A file with such a list. Changes to it take effect within 2 s."""
    allow_anonymous: bool = Field(False, validation_alias="ALLOW_ANONYMOUS")
    """Serve other machines although there are no API keys."""
    health_open: bool = Field(True, validation_alias="HEALTH_OPEN")
    """Answer health checks without a key."""
    reflection_open: bool = Field(True, validation_alias="REFLECTION_OPEN")
    """Serve reflection, when it is enabled, without a key."""

    question_max_characters: int = Field(1000, ge=1, le=4000, validation_alias="QUESTION_MAX_CHARACTERS")
    """Longest question or search query. Retrieval takes at most 4000."""
    retrieval_top_k: int = Field(5, ge=1, le=20, validation_alias="RETRIEVAL_TOP_K")
    """Passages an answer is made from, when the caller does not say."""
    query_reranking: bool = Field(True, validation_alias="QUERY_RERANKING")
    """Order the candidates of a query once more by retrieval's RERANKER, so that the few an answer is made
    from are the best. False: as ENABLE_RERANKING says."""
    query_expand_chunks: int = Field(2, ge=0, le=3, validation_alias="QUERY_EXPAND_CHUNKS")
    """Chunks before and after each passage that an answer may use as well, when the caller does not say.
    Small chunks are found best, and answered from best with what stands around them. 0 saves tokens."""
    query_max_seconds: float = Field(60.0, gt=0, le=3600, validation_alias="QUERY_MAX_SECONDS")
    """The longest a query may take; a caller may allow less."""
    unary_upload_max_bytes: int = Field(4 * MIB, ge=1, validation_alias="GATEWAY_MAX_MESSAGE_BYTES")
    """Largest document UploadDocument takes; the stream has no such limit. Below MAX_MESSAGE_BYTES, so that
    somewhat larger ones are refused by us, with a sentence, and not by gRPC."""
    upload_idle_seconds: float = Field(60.0, gt=0, validation_alias="UPLOAD_IDLE_SECONDS")
    """An upload stream ends when its caller is silent for so long, or leaves acknowledgements unread."""
    upload_stall_seconds: float = Field(300.0, gt=0, validation_alias="UPLOAD_STALL_SECONDS")
    """An upload ends when the ingest service, with a whole document in hand, is silent for so long."""

    enable_semantic_cache: bool = Field(False, validation_alias="ENABLE_SEMANTIC_CACHE")
    """Answer a question that was answered before without searching or asking a model, while the documents are
    the same. Gateway and all retrieval replicas must be set alike."""

    rate_limit_requests: int = Field(0, ge=0, validation_alias="RATE_LIMIT_REQUESTS")
    """Calls one caller may make per window; 0: no limit."""
    rate_limit_window_seconds: int = Field(60, ge=1, validation_alias="RATE_LIMIT_WINDOW")
    """Length of that window."""
    rate_limit_classes: str = Field("", validation_alias="RATE_LIMIT_CLASSES")
    """Other limits for keys with a `rate_class`, in calls per window: `free=10,batch=1000,internal=0`."""
    state_url: StateUrl = Field(SecretStr(""), validation_alias="STATE_URL")
    """Redis for what replicas share, the counts of rate limits and conversations:
    `redis://[[user]:password@]host:port/0`, `rediss://` for TLS. Empty: each process keeps its own."""
    gateway_replicas: int = Field(1, ge=1, validation_alias="GATEWAY_REPLICAS")
    """While Redis cannot be reached each replica grants this share of a limit, rounded up."""

    query_concurrency: int = Field(256, ge=1, validation_alias="QUERY_CONCURRENCY")
    """Questions answered at a time; as many more may wait."""
    read_concurrency: int = Field(128, ge=1, validation_alias="READ_CONCURRENCY")
    """Searches and look-ups served at a time; as many more may wait."""
    upload_concurrency: int = Field(32, ge=1, validation_alias="UPLOAD_CONCURRENCY")
    """Upload streams and single uploads served at a time; as many more may wait."""
    caller_share: float = Field(0.75, gt=0, le=1, validation_alias="CALLER_SHARE")
    """Of the places of each kind those one key may have at a time, rounded up; the rest is for others."""
    admission_wait_seconds: float = Field(1.0, ge=0, validation_alias="ADMISSION_WAIT_SECONDS")
    """How long a call may wait for room before it is refused: first for a place of its caller's, then, as
    long again, for one of its kind."""

    llm_provider: str = Field(AUTO, validation_alias="LLM_PROVIDER")
    """`auto` (all configured model providers), or names in the order they are asked, with commas."""
    extractive_fallback: bool = Field(True, validation_alias="EXTRACTIVE_FALLBACK")
    """Pick sentences from the documents when no model provider answers."""
    provider_attempts: int = Field(3, ge=1, le=10, validation_alias="PROVIDER_ATTEMPTS")
    """Attempts on model providers in one query, retries included."""
    first_token_seconds: float = Field(15.0, gt=0, validation_alias="FIRST_TOKEN_SECONDS")
    """The longest a provider that is not the last may take to its first text."""
    token_idle_seconds: float = Field(15.0, gt=0, validation_alias="TOKEN_IDLE_SECONDS")
    """The longest pause in the middle of a streamed answer."""

    breaker_window_seconds: float = Field(30.0, gt=0, validation_alias="BREAKER_WINDOW_SECONDS")
    """Stretch of time a circuit breaker judges by."""
    breaker_minimum_calls: int = Field(10, ge=1, validation_alias="BREAKER_MINIMUM_CALLS")
    """Calls it needs in that time before their failure rate counts."""
    breaker_failure_rate: float = Field(0.5, gt=0, le=1, validation_alias="BREAKER_FAILURE_RATE")
    """Share of failures that opens it."""
    breaker_consecutive_failures: int = Field(5, ge=1, validation_alias="BREAKER_CONSECUTIVE_FAILURES")
    """Failures in a row that open it."""
    breaker_open_seconds: float = Field(5.0, gt=0, validation_alias="BREAKER_OPEN_SECONDS")
    """How long it stays open the first time; doubles with each opening in a row."""
    breaker_open_max_seconds: float = Field(60.0, gt=0, validation_alias="BREAKER_OPEN_MAX_SECONDS")
    """The longest it stays open."""

    @field_validator("ingest_target", "retrieval_target", "answer_target")
    @classmethod
    def _target(cls, value: str) -> str:
        dial_target(value)
        return value

    @field_validator("readiness_services")
    @classmethod
    def _services(cls, value: str) -> str:
        unknown = set(_names(value)) - {INGEST, RETRIEVAL, ANSWER}
        if unknown:
            raise ValueError(f"knows no service {', '.join(sorted(unknown))}")
        return value

    @field_validator("llm_provider")
    @classmethod
    def _order(cls, value: str) -> str:
        names = parse_order(value)
        if AUTO in names:
            raise ValueError("is either `auto` or a list of names, not both")
        return value

    @field_validator("rate_limit_classes")
    @classmethod
    def _classes(cls, value: str) -> str:
        parse_rate_classes(value)
        return value

    @field_validator("api_keys", "api_keys_file")
    @classmethod
    def _keys(cls, value: SecretStr | Path | None) -> SecretStr | Path | None:
        listed, file = (value.get_secret_value(), None) if isinstance(value, SecretStr) else ("", value)
        load_api_keys(listed, file)
        return value

    def faults_together(self) -> list[str]:
        """See `ServiceSettings.faults_together`."""
        faults = super().faults_together()
        try:
            self.load_keys()
        except ValueError as error:
            faults.append(f"API_KEYS and API_KEYS_FILE together: {error}")
        faults += describe_missing(
            "GATEWAY_TLS", self.public_tls_cert_file, self.public_tls_key_file, self.public_tls_client_ca_file
        )
        if self.profile == "prod" and not self.has_keys:
            faults.append("The profile prod needs API_KEYS or API_KEYS_FILE: it serves nobody without a key")
        elif not self.has_keys and not self.allow_anonymous and not is_loopback(self.host):
            faults.append(
                f"GATEWAY_HOST={self.host} would serve everybody who can reach this machine: "
                "configure API_KEYS or API_KEYS_FILE, or set ALLOW_ANONYMOUS=true if that is meant"
            )
        if self.unary_upload_max_bytes > self.max_message_bytes:
            faults.append(
                f"GATEWAY_MAX_MESSAGE_BYTES must not exceed MAX_MESSAGE_BYTES ({self.max_message_bytes})"
            )
        if self.breaker_open_max_seconds < self.breaker_open_seconds:
            faults.append("BREAKER_OPEN_MAX_SECONDS must not be below BREAKER_OPEN_SECONDS")
        return faults

    @property
    def server_tls(self) -> ServerTls | None:
        """How the gateway proves itself to its callers. TLS_CERT_FILE is for the services behind it."""
        cert, key = self.public_tls_cert_file, self.public_tls_key_file
        if cert is None or key is None:
            return None
        return ServerTls(cert, key, self.public_tls_client_ca_file)

    @property
    def targets(self) -> dict[str, str]:
        """Where each service is, by its name."""
        return {INGEST: self.ingest_target, RETRIEVAL: self.retrieval_target, ANSWER: self.answer_target}

    @property
    def readiness_needs(self) -> tuple[str, ...]:
        """Names of the services readiness depends on."""
        return _names(self.readiness_services)

    @property
    def has_keys(self) -> bool:
        """Whether callers need a key: an empty list lets nobody in, no list everybody."""
        return bool(self.api_keys.get_secret_value().strip()) or self.api_keys_file is not None

    def load_keys(self) -> tuple[ApiKey, ...]:
        """The API keys of both settings. Raises ValueError."""
        return load_api_keys(
            self.api_keys.get_secret_value(), self.api_keys_file, self.rate_classes.named.keys()
        )

    @property
    def rate_classes(self) -> RateClasses:
        """The rate limits."""
        return RateClasses(self.rate_limit_requests, parse_rate_classes(self.rate_limit_classes))

    @property
    def concurrency(self) -> dict[Room, int]:
        """Places for calls of each kind."""
        return {
            Room.QUERIES: self.query_concurrency,
            Room.READS: self.read_concurrency,
            Room.UPLOADS: self.upload_concurrency,
        }

    @property
    def backlog(self) -> int:
        """Calls that may come in one moment: as many as there are places; room for a burst also with few."""
        return max(_SMALLEST_BACKLOG, sum(self.concurrency.values()))

    @property
    def breaker_policy(self) -> BreakerPolicy:
        """The numbers of every circuit breaker."""
        return BreakerPolicy(
            window_seconds=self.breaker_window_seconds,
            minimum_calls=self.breaker_minimum_calls,
            failure_rate=self.breaker_failure_rate,
            consecutive_failures=self.breaker_consecutive_failures,
            open_seconds=self.breaker_open_seconds,
            open_max_seconds=self.breaker_open_max_seconds,
        )

    @property
    def attempt_policy(self) -> AttemptPolicy:
        """The numbers of the attempt loop."""
        return AttemptPolicy(
            max_attempts=self.provider_attempts,
            first_text_cap_seconds=self.first_token_seconds,
            idle_seconds=self.token_idle_seconds,
        )

    @property
    def query_policy(self) -> QueryPolicy:
        """Which providers, how long, and from which passages."""
        return QueryPolicy(
            provider_order=parse_order(self.llm_provider),
            extractive_fallback=self.extractive_fallback,
            max_seconds=self.query_max_seconds,
            rerank=self.query_reranking,
            expand_chunks=self.query_expand_chunks,
        )

    @property
    def longest_seconds(self) -> dict[str, float]:
        """How long a call may last whatever its caller does, by full method name.

        For questions: both waits for room, the answer, and a moment for reading it.
        """
        longest = 2 * self.admission_wait_seconds + self.query_max_seconds + budget.READING_SECONDS
        return {method: longest for method, room in ROOM_OF.items() if room is Room.QUERIES}

    @property
    def upload_policy(self) -> UploadPolicy:
        """How long silence is borne on upload streams."""
        return UploadPolicy(idle_seconds=self.upload_idle_seconds, stall_seconds=self.upload_stall_seconds)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
