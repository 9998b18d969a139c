"""What each public method needs: a scope, and room of a kind. A test holds the table complete."""

from __future__ import annotations

from enum import Enum

READ, WRITE, ADMIN = "read", "write", "admin"

ALL_SCOPES = frozenset({READ, WRITE, ADMIN})


class Room(Enum):
    """The bulkhead a method's calls take a place in, so that no kind can take another's room."""

    QUERIES = "queries"
    """Questions: as long as a model writes."""
    READS = "reads"
    """Look-ups and single changes: milliseconds."""
    UPLOADS = "uploads"
    """As long as a caller sends."""
    NONE = "none"
    """Neither limited in rate nor in number (health and reflection never get so far): when calls are being
    refused, callers must still see how the system is, and operators change it."""


_PUBLIC = "/docuquery.gateway.v1.DocuQueryService/"
_ADMIN = "/docuquery.gateway.v1.AdminService/"

_METHODS: dict[str, tuple[str, Room]] = {
    _PUBLIC + "UploadDocument": (WRITE, Room.UPLOADS),
    _PUBLIC + "UploadDocuments": (WRITE, Room.UPLOADS),
    _PUBLIC + "GetDocument": (READ, Room.READS),
    _PUBLIC + "ListDocuments": (READ, Room.READS),
    _PUBLIC + "DeleteDocument": (WRITE, Room.READS),
    _PUBLIC + "GetStats": (READ, Room.READS),
    _PUBLIC + "Search": (READ, Room.READS),
    _PUBLIC + "GetPassage": (READ, Room.READS),
    _PUBLIC + "Query": (READ, Room.QUERIES),
    _PUBLIC + "StreamQuery": (READ, Room.QUERIES),
    _PUBLIC + "GetConversation": (READ, Room.READS),
    _PUBLIC + "DeleteConversation": (WRITE, Room.READS),
    _PUBLIC + "GetSystemStatus": (READ, Room.NONE),
    _PUBLIC + "ListPrompts": (READ, Room.READS),
    _ADMIN + "OverrideBreaker": (ADMIN, Room.NONE),
}

REQUIRED_SCOPE = {method: scope for method, (scope, _) in _METHODS.items()}
ROOM_OF = {method: room for method, (_, room) in _METHODS.items()}
NEVER_LIMITED = frozenset(method for method, room in ROOM_OF.items() if room is Room.NONE)
