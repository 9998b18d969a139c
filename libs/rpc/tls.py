"""TLS of servers and of channels, from files that may change while they are used.

A server asks for its certificate at every handshake, so a changed file counts from the next connection on.
gRPC for Python has no such thing for channels: `rotating.py` opens a new one.
"""

from __future__ import annotations

import grpc
import structlog

from libs.rpc.tls_files import ClientTls, ServerTls, Signature, require_usable, signature

log = structlog.get_logger()


def server_credentials(files: ServerTls) -> grpc.ServerCredentials:
    """Credentials that follow the files. Raises ValueError or OSError when they cannot be used at first."""
    following = _Followed(files)
    return grpc.dynamic_ssl_server_credentials(
        following.read(),
        following.changed,  # type: ignore[arg-type]  # None is "no change", which the stubs leave out
        require_client_authentication=files.client_ca is not None,
    )


class _Followed:
    """What is in the files now; what cannot be used leaves the last good certificate in place."""

    def __init__(self, files: ServerTls) -> None:
        self._files = files
        self._seen: Signature = ()

    def read(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        self._seen = signature(files.paths)
        require_usable(files.cert, files.key, files.client_ca)
        return grpc.ssl_server_certificate_configuration(
            [(files.key.read_bytes(), files.cert.read_bytes())],
            files.client_ca.read_bytes() if files.client_ca is not None else None,
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new certificate, or None when there is none. Runs on a thread of gRPC's; must not raise."""
        try:
            if signature(self._files.paths) == self._seen:
                return None
            configuration = self.read()
        except (OSError, ValueError) as error:
            # Seen half way through a rotation, for example: the next connection looks again.
            log.warning("certificate_not_read", error=str(error))
            return None
        log.info("certificate_read", file=str(self._files.cert))
        return configuration


def channel_credentials(files: ClientTls) -> grpc.ChannelCredentials:
    """Credentials of what is in the files now. Raises ValueError or OSError when they cannot be used."""
    require_usable(files.cert, files.key, files.ca)
    return grpc.ssl_channel_credentials(
        files.ca.read_bytes(),
        files.key.read_bytes() if files.key is not None else None,
        files.cert.read_bytes() if files.cert is not None else None,
    )
