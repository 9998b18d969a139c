"""Page tokens: opaque, tied to tenant and filter, and refused when they were made by somebody else."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.store.protocol import Cursor

_SIGNATURE_BYTES = 16  # 128 bits of SHA-256: beyond guessing, and the token stays short
_MAX_TOKEN_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class PageTokens:
    """Makes and reads the tokens of a store whose secret is `key`."""

    key: bytes

    def make(self, cursor: Cursor, scope: str) -> str:
        """The token that goes on after `cursor`; `scope` names tenant and filter, in any stable way."""
        body = json.dumps([cursor.create_microseconds, cursor.document_id], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(body, scope) + body).decode().rstrip("=")

    def read(self, token: str, scope: str) -> Cursor:
        """The cursor in `token`. Raises INVALID_PAGE_TOKEN unless it was made here for this `scope`."""
        try:
            if len(token) > _MAX_TOKEN_CHARACTERS:
                raise ValueError("too long")
            raw = base64.b64decode(
                token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
            signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._sign(body, scope)):
                raise ValueError("not our signature")
        except (ValueError, UnicodeEncodeError, binascii.Error):
            raise DocuQueryError(
                reasons.ERROR_REASON_INVALID_PAGE_TOKEN,
                "This page token does not belong to this listing. Start again without one, and keep the "
                "filter the same from page to page.",
            ) from None
        microseconds, document_id = json.loads(body)
        return Cursor(microseconds, document_id)

    def _sign(self, body: bytes, scope: str) -> bytes:
        message = hashlib.sha256(scope.encode("utf-8", "surrogatepass")).digest() + body
        return hmac.new(self.key, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
