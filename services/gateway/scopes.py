"""Which scope each public method needs. A test holds the table complete over the contract."""

from __future__ import annotations

READ, WRITE, ADMIN = "read", "write", "admin"

ALL_SCOPES = frozenset({READ, WRITE, ADMIN})

_PUBLIC = "/docuquery.gateway.v1.DocuQueryService/"
_ADMIN = "/docuquery.gateway.v1.AdminService/"

REQUIRED_SCOPE: dict[str, str] = {
    _PUBLIC + "UploadDocument": WRITE,
    _PUBLIC + "UploadDocuments": WRITE,
    _PUBLIC + "GetDocument": READ,
    _PUBLIC + "ListDocuments": READ,
    _PUBLIC + "DeleteDocument": WRITE,
    _PUBLIC + "GetStats": READ,
    _PUBLIC + "Search": READ,
    _PUBLIC + "GetPassage": READ,
    _PUBLIC + "Query": READ,
    _PUBLIC + "StreamQuery": READ,
    _PUBLIC + "GetConversation": READ,
    _PUBLIC + "DeleteConversation": WRITE,
    _PUBLIC + "GetSystemStatus": READ,
    _PUBLIC + "ListPrompts": READ,
    _ADMIN + "OverrideBreaker": ADMIN,
}

NEVER_LIMITED = frozenset({_PUBLIC + "GetSystemStatus"})
"""Methods the rate limit leaves alone (health and reflection never reach it): a caller that is being
refused must still be able to see how the system is."""
