"""Checks of this machine: room on disk, ports, certificates."""

from __future__ import annotations

import errno
import os
import shutil
import ssl
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from libs.certificates import read_certificate
from libs.doctor.finding import Finding, error, ok, warning
from libs.rpc.tls_files import ServerTls

_GIB = 1024**3
_FULL_BYTES = _GIB // 4
_LOW_BYTES = 2 * _GIB
_RENEW = timedelta(days=14)


def disk(folder: Path, what: str) -> Finding:
    """Room for what is kept in `folder`, which need not be there yet."""
    free = shutil.disk_usage(_existing(folder)).free
    message = f"{free / _GIB:.1f} GiB are free for {what} in {folder}"
    if free < _FULL_BYTES:
        return error("disk", message, "Make room, or set another folder: writing will fail soon.")
    if free < _LOW_BYTES:
        return warning("disk", message, "Make room before it is full.")
    return ok("disk", message)


def writable(folder: Path, what: str, variable: str) -> Finding:
    """Whether this user may write where `what` is kept; a folder that is not there yet is not made."""
    try:
        if folder.exists():
            with tempfile.TemporaryFile(dir=folder):
                pass
        elif not os.access(_existing(folder), os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as failure:
        return error(
            "folder",
            f"{folder} for {what} cannot be written ({failure.strerror})",
            f"Give the user of the service the folder, or set {variable} to another one.",
        )
    return ok("folder", f"{folder} for {what} can be written")


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above that is there."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    return there


def certificate(path: Path, variable: str, now: datetime) -> Finding:
    """Whether a certificate counts today, and for how long."""
    try:
        facts = read_certificate(path)
    except (OSError, ValueError) as failure:
        return error("certificate", f"{variable}: {path} cannot be read ({failure})", "Give a PEM file.")
    names = ", ".join(facts.names) or facts.subject
    if now < facts.not_before:
        return error(
            "certificate",
            f"{variable}: not valid before {facts.not_before:%Y-%m-%d %H:%M} UTC ({names})",
            "Check this machine's clock, or issue the certificate anew.",
        )
    left = facts.not_after - now
    message = f"{variable}: valid until {facts.not_after:%Y-%m-%d %H:%M} UTC ({names})"
    if left <= timedelta(0):
        return error("certificate", message, "It has expired: put a new one into the same file.")
    if left < _RENEW:
        return warning("certificate", message, "Renew it; the file is read again without a restart.")
    return ok("certificate", message)


def chain(tls: ServerTls, ca: Path) -> Finding:
    """Whether who believes `ca` would believe this server: a handshake in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tls.cert, tls.key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False  # under which name it is called, the reachability checks see
    client.load_verify_locations(ca)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(to_client, to_server)
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(4):
            for side in (calling, serving):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLCertVerificationError as failure:
        return error(
            "certificate",
            f"{tls.cert} is not believed by who has {ca} ({failure.verify_message})",
            "Give the authority that signed it, and a certificate that is valid today.",
        )
    return ok("certificate", f"{tls.cert} is signed by {ca}")
