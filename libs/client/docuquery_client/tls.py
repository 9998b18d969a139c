"""TLS to the gateway: whom to believe, and what to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted. Files are PEM."""

    ca: Path | None = None
    """Authorities whose certificates are believed; None: those gRPC brings along."""
    cert: Path | None = None
    """This caller's certificate, where the server wants to see one."""
    key: Path | None = None
    """Its private key."""
    server_name: str = ""
    """The name in the server's certificate, where it is not the host in its address."""

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC takes, from what is in the files now. Raises ValueError or OSError."""
        if (self.cert is None) != (self.key is None):
            raise ValueError("a client certificate and its key belong together: give both")
        ca, key, cert = (_contents(path) for path in (self.ca, self.key, self.cert))
        return grpc.ssl_channel_credentials(ca, key, cert)


def _contents(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
