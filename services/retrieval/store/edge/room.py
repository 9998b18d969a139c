"""Room on the disk of the embedded store, looked at before documents are written.

The engine writes through mapped memory: on a full disk that ends the process (SIGBUS), and with it every
search. So some of the disk is left free.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError

log = structlog.get_logger()

_MIB = 1024 * 1024
_RETRY_SECONDS = 60.0  # room comes by an operator; an ingest that waits holds a place of its service


def require_room(folder: Path, least_free_bytes: int) -> None:
    """Raises OVERLOADED unless so much is free on the disk `folder` is on; takes some microseconds.

    Raises STORE_UNAVAILABLE when the folder is gone: the engine would go on writing into deleted files.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        log.error("store_folder_gone", error=str(error))
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            "The folder of the document store is gone. Have the operator put it back, or start anew.",
        ) from error
    if free >= least_free_bytes:
        return
    log.error("store_disk_full", free_bytes=free, least_free_bytes=least_free_bytes)
    raise DocuQueryError(
        reasons.ERROR_REASON_OVERLOADED,
        f"The disk of the document store is full: {free // _MIB} MiB are free, "
        f"{least_free_bytes // _MIB} MiB must stay so. What is stored is served; have the operator make "
        "room, then upload again.",
        retry_after_seconds=_RETRY_SECONDS,
    )
