"""Who is calling, under which request id, until when: known everywhere inside a call."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline

REQUEST_ID_KEY = "x-request-id"
TENANT_KEY = "x-docuquery-tenant"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Identity:
    """The verified caller."""

    tenant: str
    """Whose documents it may see: 1 to 64 characters of [A-Za-z0-9._-], never from a request field."""
    caller: str
    """A name for logs and rate limits."""
    scopes: frozenset[str] = field(default_factory=frozenset)
    """What it may do: `read`, `write`, `admin`."""
    rate_class: str = ""
    """Which rate limit holds for it; empty: the default one."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """One RPC being served."""

    request_id: str
    method: str
    """Full method name: `/docuquery.gateway.v1.DocuQueryService/Query`."""
    identity: Identity
    deadline: Deadline


_current: ContextVar[CallContext] = ContextVar("docuquery_call")


def current_call() -> CallContext:
    """The call being served. Raises LookupError outside of one."""
    return _current.get()


def current_call_or_none() -> CallContext | None:
    """The call being served, or None in background work."""
    return _current.get(None)


def enter_call(call: CallContext) -> None:
    """Makes `call` the current one for this task and the tasks it starts."""
    _current.set(call)


def request_id_from(metadata: Mapping[str, str]) -> str:
    """The caller's request id when it is well formed, else a new one."""
    given = metadata.get(REQUEST_ID_KEY, "")
    return given if _REQUEST_ID.match(given) else str(uuid.uuid4())


def is_valid_tenant(name: str) -> bool:
    """Whether `name` can be a tenant: 1 to 64 characters, safe in paths and metadata."""
    return _TENANT.match(name) is not None


def trusted_tenant(_method: str, metadata: Mapping[str, str]) -> Identity:
    """The identity another service of ours vouches for, from `x-docuquery-tenant`.

    For internal services only: they listen on loopback, or behind network policies and mTLS.
    Raises CREDENTIALS_MISSING without a valid tenant.
    """
    tenant = metadata.get(TENANT_KEY, "")
    if not is_valid_tenant(tenant):
        raise DocuQueryError(
            reasons.ERROR_REASON_CREDENTIALS_MISSING,
            f"This is an internal service: call the gateway, or send a valid {TENANT_KEY}.",
        )
    return Identity(tenant=tenant, caller=f"service:{tenant}")
