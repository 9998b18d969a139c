"""The commands of docs/tutorial.md, one after the other in one shell, as its reader would type them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from docuquery_client.ports import free_ports
from docuquery_client.stack import Ports
from tests.contract.llm_server import End, Finish, Open, Text
from tests.contract.llm_thread import model_server
from tests.contract.qdrant_server import require_program
from tests.e2e.support import ROOT, require

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, re.S | re.M)
INSTALLING = ("make install\n", "npm install ")
ANSWER = "The limit per night in Paris is €185"


def run(script: str, folder: Path, env: dict[str, str]) -> str:
    """What a script prints; whatever it leaves behind is stopped. Fails when a command of it fails."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=150)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    logs = "\n".join(f"{log.name}: {log.read_text()[-600:]}" for log in folder.glob("*.log"))
    assert process.returncode == 0, f"{said}\n{logs}"
    return said


@pytest.mark.slow
@pytest.mark.externals
@pytest.mark.timeout(200)
def test_every_command_works_one_after_the_other(tmp_path: Path) -> None:
    for program in ("curl", "openssl"):
        require(program)
    require_program()
    for name in ("samples", "node_modules"):
        (tmp_path / name).symlink_to(ROOT / name)
    ports = Ports.free()
    typed = [block for block in BLOCKS if not block.startswith(INSTALLING)]
    script = "\n".join(f"echo '=== {number}'\n{block}" for number, block in enumerate(typed))
    with model_server(Open(), Text(f"{ANSWER} [1]."), Finish("stop"), End()) as model:
        named = ("6333", "6334", "50053", "50063")
        there = {"11434": model.port, **dict(zip(named, free_ports(len(named)), strict=True))}
        script = re.sub(rf"\b({'|'.join(there)})\b", lambda found: str(there[found[1]]), script)
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DOCUQUERY_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "DOCUQUERY_ADDRESS": f"127.0.0.1:{ports.gateway}",
            "GATEWAY_PORT": str(ports.gateway),
            "INGEST_PORT": str(ports.ingest),
            "INGEST_TARGET": f"127.0.0.1:{ports.ingest}",
            "ANSWER_PORT": str(ports.answer),
            "ANSWER_TARGET": f"127.0.0.1:{ports.answer}",
            "RETRIEVAL_PORT": str(ports.retrieval),
            "INGEST_SPOOL_DIR": str(tmp_path / "spool"),
            "COLUMNS": "160",
        }
        said = re.split(r"=== \d+\n", run(script, tmp_path, env))[1:]
    assert len(said) == len(typed)
    started, asked, again, follow_up, _, _, with_model, _, moved, replicas, after_kill, _ = said
    assert [name for name in ("gateway", "ingest", "retrieval", "answer") if name not in started] == []
    assert "11 created" in asked
    assert "€185” VERBATIM" in asked
    assert "NO_EVIDENCE" in asked
    assert "11 unchanged" in again
    assert "Deleted" in again
    assert "Tokyo | Limit per night: €235" in follow_up
    assert with_model.startswith("No documents."), "one tenant saw what another stored"
    for text in (with_model, replicas):
        assert f"{ANSWER} [1]." in text
        assert "ANSWERED" in text
        assert "local/qwen3:8b" in text
    assert "21 documents" in moved
    assert "local/qwen3:8b" in after_kill
    assert "0 errors" in after_kill
