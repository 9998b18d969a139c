"""What makes one configured provider: a name, an adapter, a model, and the server it is asked from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ADAPTERS = ("openai", "anthropic")
"""The wire formats a model can be asked in."""

CONNECT_SECONDS = 5.0
"""Longest wait for a connection: a host that does not answer must leave time for another provider."""

OWN_FIELDS = frozenset({"model", "messages", "system", "stream"})
"""Fields of a request that are this program's own business."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_VISIBLE = re.compile(r"[!-~]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_RESERVED = "extractive"
_SECRET_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One HTTP server, as one account sees it. What may be secret is not shown by `repr`."""

    api_key: str = field(default="", repr=False)
    """Empty: the server asks for none, and none is sent."""
    base_url: str | None = None
    """None: the maker's own."""
    api_key_header: str = ""
    """The header the bare key goes into (`api-key` for Azure); empty: the one of the adapter's maker."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each request besides."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Added to the URL (`api-version` for Azure)."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a request that this program knows nothing of; they win over its own settings."""
    timeout_seconds: float = math.inf
    """The longest one call may take here; its caller may allow less."""
    connect_seconds: float = CONNECT_SECONDS
    """The longest wait for a connection."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in a log line: the key, and headers long enough to be secret."""
        values = (self.api_key, *self.headers.values())
        return tuple(value for value in values if len(value) >= _SECRET_LENGTH or value == self.api_key != "")


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One instance of an adapter."""

    name: str
    """Unique; lower-case letters, digits and `._-`, at most 63 characters."""
    adapter: str
    """One of ADAPTERS."""
    model: str
    endpoint: Endpoint = Endpoint()
    organization: str | None = None
    """Adapter `openai` only, like `project`."""
    project: str | None = None
    temperature: float | None = None
    """None: as all providers (LLM_TEMPERATURE)."""
    max_tokens: int | None = None
    """Longest answer; None: as all providers (LLM_MAX_TOKENS)."""
    native_citations: bool = False
    """Let the model cite by itself; only models that are known to."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """Fields of Capabilities that are better known here than in the models file."""


def key_fault(key: str) -> str:
    """What is wrong with a key; empty when nothing is, or when there is none."""
    return "" if _VISIBLE.fullmatch(key) else "the key must be printable ASCII without spaces"


def base_url_fault(url: str) -> str:
    """What is wrong with a base URL; empty when nothing is, or when there is none."""
    if url and not re.match(r"https?://[^/\s?#]", url):
        return "must begin with http:// or https:// and a host"
    if re.search(r"[\s?#]|//[^/]*@", url):
        return "must hold no user, query or fragment"
    return ""


def faults_of(spec: ProviderSpec) -> Iterator[str]:
    """What would otherwise fail at the first question, or in an exception that quotes the key.

    One sentence a fault, beginning with the field; none holds a key or a header's value.
    """
    endpoint = spec.endpoint
    if not _NAME.fullmatch(spec.name):
        yield f"name: must match {_NAME.pattern}"
    elif spec.name == _RESERVED:
        yield f"name: {_RESERVED!r} is the provider that needs no model; choose another"
    if spec.adapter not in ADAPTERS:
        yield f"adapter: must be one of {', '.join(ADAPTERS)}"
    if not spec.model.strip():
        yield "model: must be named"
    if fault := key_fault(endpoint.api_key):
        yield f"api_key: {fault}"
    if fault := base_url_fault(endpoint.base_url or ""):
        yield f"base_url: {fault}"
    for name in (*endpoint.headers, *([endpoint.api_key_header] if endpoint.api_key_header else [])):
        if not _HEADER_NAME.fullmatch(name):
            yield f"headers: {name!r} is no name of a header"
    for name, value in endpoint.headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            yield f"headers.{name}: must be printable ASCII"
    if taken := sorted(OWN_FIELDS & set(endpoint.body)):
        yield f"body: {', '.join(taken)} cannot be set here"
    if spec.native_citations and spec.adapter != "anthropic":
        yield "use_native_citations: only the adapter anthropic has them"
    if spec.adapter == "anthropic" and (spec.organization or spec.project):
        yield "organization, project: only the adapter openai knows them"
