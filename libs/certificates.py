"""What a certificate file says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """The first certificate of a PEM file."""

    subject: str
    names: tuple[str, ...]
    """Hosts and addresses it is for."""
    not_before: datetime
    not_after: datetime


def read_certificate(path: Path) -> CertificateFacts:
    """Raises OSError when the file cannot be read, ValueError when it holds no certificate."""
    [found, *_] = x509.load_pem_x509_certificates(path.read_bytes())
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = (*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress))
    except x509.ExtensionNotFound:
        hosts = ()
    return CertificateFacts(
        subject=found.subject.rfc4514_string(),
        names=tuple(map(str, hosts)),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
    )
