"""Who may call what."""

from __future__ import annotations

import hashlib

import pytest

from docuquery.gateway.v1 import admin_service_pb2, docuquery_service_pb2
from libs.errors import DocuQueryError
from services.gateway.identity.api_keys import ApiKey
from services.gateway.identity.auth import (
    AnonymousAuthenticator,
    ApiKeyAuthenticator,
    Authenticator,
    identity_resolver,
)
from services.gateway.identity.scopes import ALL_SCOPES, NEVER_LIMITED, REQUIRED_SCOPE

QUERY = "/docuquery.gateway.v1.DocuQueryService/Query"
UPLOAD = "/docuquery.gateway.v1.DocuQueryService/UploadDocument"


def key(name: str, *scopes: str, tenant: str = "acme") -> ApiKey:
    return ApiKey(tenant, name, hashlib.sha256(f"secret of {name}".encode()).digest(), frozenset(scopes))


KEYS = ApiKeyAuthenticator([key("reader", "read"), key("writer", "read", "write", tenant="other")])


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer secret of {name}"}


def refusal(authenticator: Authenticator, method: str, metadata: dict[str, str]) -> DocuQueryError:
    with pytest.raises(DocuQueryError) as error:
        identity_resolver(authenticator)(method, metadata)
    return error.value


def test_every_method_of_the_contract_needs_a_scope() -> None:
    services = [
        docuquery_service_pb2.DESCRIPTOR.services_by_name["DocuQueryService"],
        admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
    ]
    methods = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    assert set(REQUIRED_SCOPE) == methods
    assert set(REQUIRED_SCOPE.values()) == ALL_SCOPES
    assert methods >= NEVER_LIMITED


def test_admin_calls_need_the_admin_scope_and_nothing_else_does() -> None:
    for method, scope in REQUIRED_SCOPE.items():
        assert (scope == "admin") == ("AdminService" in method)


def test_a_known_key_is_its_tenant_and_its_scopes() -> None:
    identity = identity_resolver(KEYS)(UPLOAD, bearer("writer"))
    assert (identity.tenant, identity.caller, identity.scopes) == ("other", "writer", {"read", "write"})


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_s_case_does_not_matter(scheme: str) -> None:
    metadata = {"authorization": f"{scheme}   secret of reader "}
    assert identity_resolver(KEYS)(QUERY, metadata).caller == "reader"


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic abc", "secret"])
def test_without_credentials_of_the_right_form_they_are_missing(value: str | None) -> None:
    metadata = {} if value is None else {"authorization": value}
    error = refusal(KEYS, QUERY, metadata)
    assert error.reason_name == "CREDENTIALS_MISSING"
    assert "Bearer <key>" in error.message


def test_an_unknown_key_is_invalid_and_is_not_repeated() -> None:
    error = refusal(KEYS, QUERY, {"authorization": "Bearer my-guess"})
    assert error.reason_name == "CREDENTIALS_INVALID"
    assert "my-guess" not in f"{error.message}{error.metadata}"


def test_a_digest_is_no_key() -> None:
    digest = hashlib.sha256(b"secret of reader").hexdigest()
    assert refusal(KEYS, QUERY, {"authorization": f"Bearer {digest}"}).reason_name == "CREDENTIALS_INVALID"


def test_a_key_without_the_scope_is_refused_with_its_name() -> None:
    error = refusal(KEYS, UPLOAD, bearer("reader"))
    assert (error.reason_name, error.metadata) == ("SCOPE_MISSING", {"required_scope": "write"})
    assert "UploadDocument" in error.message


def test_without_keys_everybody_is_the_default_tenant_with_every_scope() -> None:
    resolve = identity_resolver(AnonymousAuthenticator())
    for method in REQUIRED_SCOPE:
        assert resolve(method, {}).tenant == "default"
