"""What to check where ingest runs: `python -m services.ingest.doctor`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir

from libs.clock import Clock
from libs.doctor import machine, network
from libs.doctor.finding import Finding, ok, warning
from libs.doctor.run import main
from libs.version import program_version
from services.ingest.settings import Settings


async def checks(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """The store it writes to, the spool, and whether its workers fit on the machine."""
    spool = settings.spool_dir or Path(gettempdir())
    return [
        *await network.service(
            "retrieval", settings.retrieval_target, settings.client_tls, program_version(), clock
        ),
        machine.writable(spool, "uploads", "INGEST_SPOOL_DIR"),
        machine.disk(spool, "uploads"),
        _workers(settings.workers),
    ]


def _workers(workers: int) -> Finding:
    cores = len(os.sched_getaffinity(0))
    message = f"{workers} processes read documents on {cores} cores"
    if workers > cores:
        return warning("workers", message, "Set INGEST_WORKERS to the cores there are: more only take turns.")
    return ok("workers", message)


if __name__ == "__main__":
    main("ingest", Settings, checks)
