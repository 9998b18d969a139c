"""Python client and command line of DocuQuery.

It talks to the public gateway only, over `docuquery.gateway.v1.DocuQueryService`, and knows nothing of
the services behind it. `AsyncDocuQuery` is the client; `DocuQuery` is the same one for code without an
event loop. The command line (`docuquery`) lives in `docuquery_client.cli`.
"""

from docuquery_client.blocking import DocuQuery
from docuquery_client.client import DEFAULT_ADDRESS, AsyncDocuQuery
from docuquery_client.connection import CallOptions
from docuquery_client.errors import ApiError, FieldViolation
from docuquery_client.filters import where
from docuquery_client.resume import RetryPolicy, upload_resuming
from docuquery_client.tls import Tls
from docuquery_client.upload_files import UploadEvent, UploadFile

__all__ = [
    "DEFAULT_ADDRESS",
    "ApiError",
    "AsyncDocuQuery",
    "CallOptions",
    "DocuQuery",
    "FieldViolation",
    "RetryPolicy",
    "Tls",
    "UploadEvent",
    "UploadFile",
    "upload_resuming",
    "where",
]
