"""TLS to the gateway: whom to believe, and what to show."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc

PemFile: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted. Files are PEM."""

    ca: PemFile | None = None
    """Authorities whose certificates are believed; None: those gRPC brings along."""
    cert: PemFile | None = None
    """This caller's certificate, where the server wants to see one."""
    key: PemFile | None = None
    """Its private key."""
    server_name: str = ""
    """The name in the server's certificate, where it is not the host in its address."""

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC takes, from what is in the files now.

        Raises OSError for files that cannot be read, and ValueError for those that hold something else: gRPC
        would take them, and then reach nobody.
        """
        if (self.cert is None) != (self.key is None):
            raise ValueError("a client certificate and its key belong together: give both")
        ca, key, cert = (_contents(path) for path in (self.ca, self.key, self.cert))
        _check(self.ca, self.cert, self.key)
        return grpc.ssl_channel_credentials(ca, key, cert)


def _check(ca: PemFile | None, cert: PemFile | None, key: PemFile | None) -> None:
    """Raises ValueError for files that hold no certificates, or a certificate and the key of another."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError:
            raise ValueError(f"{os.fspath(ca)} holds no certificate (PEM)") from None
    if cert is not None and key is not None:
        try:
            context.load_cert_chain(cert, key, password=_no_password)
        except ssl.SSLError:
            raise ValueError(
                f"{os.fspath(cert)} and {os.fspath(key)} are no certificate and its key (PEM, not encrypted)"
            ) from None


def _contents(path: PemFile | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


def _no_password() -> str:
    return ""  # an encrypted key is refused, and not asked for at the terminal
