"""What is written about metrics is made from the instruments, and covers all of them."""

from __future__ import annotations

import subprocess
import sys

from tools import metrics


def test_the_file_is_what_the_instruments_give() -> None:
    assert metrics.FILE.read_text() == metrics.document(), "run make docs"


def test_no_instrument_is_left_out() -> None:
    # In a process of its own: the tests declare instruments, too.
    code = (
        "import services.gateway.app, services.ingest.app, services.retrieval.app, services.answer.app\n"
        "import tools.metrics as m\n"
        "from libs.telemetry.metrics import declared\n"
        "listed = {one.name for own in m.instruments().values() for one in own}\n"
        "print([one.name for one in declared() if one.name not in listed])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_label_names_what_a_caller_chooses() -> None:
    labels = {label for own in metrics.instruments().values() for one in own for label in one.labels}
    assert labels.isdisjoint({"tenant", "caller", "document_id", "question", "request_id", "conversation_id"})
