"""Who is calling, and may they call this: one Protocol, so that another kind of credential can join."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.context import Identity
from libs.rpc.layered import IncomingCall, Layer
from libs.rpc.layers import IdentityResolver
from services.gateway.identity.api_keys import ApiKey
from services.gateway.identity.scopes import ALL_SCOPES, REQUIRED_SCOPE

_AUTHORIZATION = "authorization"
_SCHEME = "bearer"

ANONYMOUS = Identity(tenant="default", caller="anonymous", scopes=ALL_SCOPES)


class Authenticator(Protocol):
    """Finds out who sent a call."""

    @property
    def revision(self) -> int:
        """Another number whenever the same call may get another answer."""
        ...

    def authenticate(self, metadata: Mapping[str, str]) -> Identity:
        """The caller. Raises CREDENTIALS_MISSING or CREDENTIALS_INVALID."""
        ...


class AnonymousAuthenticator:
    """Everybody is the tenant `default` with every scope: for one machine, or behind somebody's own door."""

    revision = 0

    def authenticate(self, metadata: Mapping[str, str]) -> Identity:  # noqa: ARG002 - the Protocol's
        """The same identity for all."""
        return ANONYMOUS


class ApiKeyAuthenticator:
    """Knows callers by `authorization: Bearer <key>`, comparing SHA-256 digests in constant time."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)
        self.revision = 0

    def replace(self, keys: Sequence[ApiKey]) -> None:
        """Knows `keys` from now on, and no others."""
        self._keys = tuple(keys)
        self.revision += 1

    def authenticate(self, metadata: Mapping[str, str]) -> Identity:
        """The key's owner. Raises CREDENTIALS_MISSING or CREDENTIALS_INVALID."""
        scheme, _, key = metadata.get(_AUTHORIZATION, "").strip().partition(" ")
        if not scheme:
            raise DocuQueryError(
                reasons.ERROR_REASON_CREDENTIALS_MISSING,
                "This server needs an API key: send the metadata `authorization: Bearer <key>`.",
            )
        if scheme.lower() != _SCHEME or not key.strip():
            raise DocuQueryError(
                reasons.ERROR_REASON_CREDENTIALS_MISSING,
                "The metadata `authorization` must have the form `Bearer <key>`.",
            )
        digest = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
        found: ApiKey | None = None
        for known in self._keys:  # all of them, whichever matches: the time taken tells nothing
            if hmac.compare_digest(known.digest, digest):
                found = known
        if found is None:
            raise DocuQueryError(
                reasons.ERROR_REASON_CREDENTIALS_INVALID, "This API key is not known here. Check it."
            )
        return Identity(found.tenant, found.name, found.scopes, found.rate_class)


def identity_resolver(authenticator: Authenticator) -> IdentityResolver:
    """What the server asks before each call: who is it, and has it the scope the method needs."""

    def resolve(method: str, metadata: Mapping[str, str]) -> Identity:
        identity = authenticator.authenticate(metadata)
        required = REQUIRED_SCOPE[method]
        if required not in identity.scopes:
            raise DocuQueryError(
                reasons.ERROR_REASON_SCOPE_MISSING,
                f"This key may not call {method.rpartition('/')[2]}: it lacks the scope `{required}`.",
                metadata={"required_scope": required},
            )
        return identity

    return resolve


def revocation_layer(authenticator: Authenticator, resolve: IdentityResolver) -> Layer:
    """Refuses further messages of a caller whose key has been taken away: a stream can go on for hours.

    It runs when the caller is known. `resolve` is asked again only after the keys have changed.
    """

    async def layer(call: IncomingCall) -> None:
        if call.request_streaming:
            revision = authenticator.revision
            method, metadata, identity = call.method, call.metadata, call.identity

            def still_known() -> None:
                nonlocal revision
                if revision == authenticator.revision:
                    return
                revision = authenticator.revision
                if identity is None or resolve(method, metadata).tenant != identity.tenant:
                    raise DocuQueryError(
                        reasons.ERROR_REASON_CREDENTIALS_INVALID,
                        "This API key has changed hands. Open a new stream.",
                    )

            call.on_request = still_known
        await call.proceed()

    return layer


def infrastructure_check(
    authenticator: Authenticator, *, health_open: bool, reflection_open: bool, channelz: bool = False
) -> Callable[[str, Mapping[str, str]], None] | None:
    """What the server asks before calls of health and reflection: any valid key; None when both are open.

    Of channelz, where it is served, always: it names who is connected.
    """
    closed = tuple(
        prefix
        for prefix, is_open in (
            ("/grpc.health.", health_open),
            ("/grpc.reflection.", reflection_open),
            ("/grpc.channelz.", not channelz),
        )
        if not is_open
    )
    if not closed:
        return None

    def check(method: str, metadata: Mapping[str, str]) -> None:
        if method.startswith(closed):
            authenticator.authenticate(metadata)

    return check
