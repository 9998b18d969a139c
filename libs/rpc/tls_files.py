"""Certificates as files: which there are, whether they can be used, and when they have changed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Signature: TypeAlias = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a server shows, and whom it wants to see."""

    cert: Path
    key: Path
    client_ca: Path | None
    """Authorities whose certificates callers must show; None: callers need none."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, to be watched."""
        return tuple(path for path in (self.cert, self.key, self.client_ca) if path is not None)


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Whom a caller believes, and what it shows."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""
    """The name in the server's certificate; empty: the host in the target."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, to be watched."""
        return tuple(path for path in (self.ca, self.cert, self.key) if path is not None)


def signature(paths: tuple[Path, ...]) -> Signature:
    """Differs when a file was replaced or written. Raises OSError when one is not there."""
    stats = [path.stat() for path in paths]
    return tuple((found.st_mtime_ns, found.st_size, found.st_ino) for found in stats)


def require_usable(cert: Path | None, key: Path | None, ca: Path | None) -> None:
    """Raises ValueError, with a sentence that names the file, when gRPC could not use these files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if cert is not None and key is not None:
            context.load_cert_chain(cert, key, password=_no_password)
        if ca is not None:
            context.load_verify_locations(ca)
    except ssl.SSLError as error:
        names = " or ".join(str(path) for path in (cert, key, ca) if path is not None)
        detail = (error.reason or "not PEM").replace("_", " ").lower()
        raise ValueError(
            f"{names} cannot be used ({detail}); PEM is needed, and a key without a password"
        ) from error


def _no_password() -> str:
    raise ValueError("the private key is encrypted; gRPC needs one without a password")


def describe_missing(prefix: str, cert: Path | None, key: Path | None, ca: Path | None) -> list[str]:
    """What is wrong with the files of the settings `<prefix>_CERT_FILE` and so on; empty: nothing."""
    if (cert is None) != (key is None):
        return [f"{prefix}_CERT_FILE and {prefix}_KEY_FILE must be set together"]
    try:
        for path in (cert, key, ca):
            if path is not None:
                path.open("rb").close()
        require_usable(cert, key, ca)
    except OSError as error:
        return [f"{prefix} files: {error.filename} cannot be read ({error.strerror})"]
    except ValueError as error:
        return [f"{prefix} files: {error}"]
    return []
