"""Where Qdrant's nodes are. Apart, since settings need it and the client takes a second to load."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

GRPC_PORT = 6334
"""Where Qdrant listens for gRPC unless told otherwise; 6333 is its HTTP port."""


@dataclass(frozen=True, slots=True)
class Address:
    """One node."""

    target: str
    """host:port of its gRPC."""
    is_secure: bool
    """Whether by TLS."""


def parse_addresses(urls: str) -> tuple[Address, ...]:
    """The nodes of a comma-separated list like `http://a:6334,https://b`; the port is 6334 by default.

    Raises ValueError for anything else.
    """
    found = []
    for url in filter(None, (part.strip() for part in urls.split(","))):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{url!r} is not like http://host:{GRPC_PORT}")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        found.append(Address(f"{host}:{parts.port or GRPC_PORT}", parts.scheme == "https"))
    if not found:
        raise ValueError(f"must name at least one node, like http://host:{GRPC_PORT}")
    return tuple(found)
