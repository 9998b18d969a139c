"""The contract's enumerations and this service's own, value by value."""

from __future__ import annotations

from docuquery.common.v1 import document_pb2
from services.ingest.model import DocumentType
from services.ingest.uploads.model import IfExists, UploadResult

TYPES = {document_pb2.DocumentType.Value(f"DOCUMENT_TYPE_{kind.name}"): kind for kind in DocumentType}
"""Every type this service reads has its name in the contract, which may name more."""
TYPE_VALUES = {kind: value for value, kind in TYPES.items()}

POLICIES = {
    document_pb2.IF_EXISTS_POLICY_UNSPECIFIED: IfExists.REPLACE,
    document_pb2.IF_EXISTS_POLICY_REPLACE: IfExists.REPLACE,
    document_pb2.IF_EXISTS_POLICY_FAIL: IfExists.FAIL,
    document_pb2.IF_EXISTS_POLICY_SKIP: IfExists.SKIP,
}
POLICY_VALUES = {
    IfExists.REPLACE: document_pb2.IF_EXISTS_POLICY_REPLACE,
    IfExists.FAIL: document_pb2.IF_EXISTS_POLICY_FAIL,
    IfExists.SKIP: document_pb2.IF_EXISTS_POLICY_SKIP,
}

RESULTS = {
    document_pb2.UPLOAD_RESULT_CREATED: UploadResult.CREATED,
    document_pb2.UPLOAD_RESULT_REPLACED: UploadResult.REPLACED,
    document_pb2.UPLOAD_RESULT_UNCHANGED: UploadResult.UNCHANGED,
    document_pb2.UPLOAD_RESULT_METADATA_UPDATED: UploadResult.METADATA_UPDATED,
    document_pb2.UPLOAD_RESULT_SKIPPED: UploadResult.SKIPPED,
}
RESULT_VALUES = {result: value for value, result in RESULTS.items()}
