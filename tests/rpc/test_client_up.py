"""`docuquery up` as a process of its own, with stand-ins for the services."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docuquery_client.stack import Ports

ROOT = Path(__file__).parents[2]


class Up:
    """A running `docuquery up`, in a folder whose `services` package holds the stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = Ports.free()
        self.process: subprocess.Popen[str] | None = None
        for name in ("gateway", "ingest", "retrieval", "answer"):
            package = folder / "services" / name
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("")
            (package / "__main__.py").write_text(
                f"import os\nos.environ['STANDIN_NAME'] = {name!r}\nimport tests.rpc.client_standin\n"
            )
        (folder / "services" / "__init__.py").write_text("")

    def start(self, *arguments: str, **env: str) -> None:
        ports = [
            f"--{name}-port={getattr(self.ports, name)}"
            for name in ("gateway", "ingest", "retrieval", "answer")
        ]
        paths = [str(self.folder), str(ROOT), str(ROOT / "libs/gen"), str(ROOT / "libs/client")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "docuquery_client.cli", "up", *(arguments or ports)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, text: str) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        seen = ""
        while text not in seen:
            line = self.process.stdout.readline()
            if not line:
                pytest.fail(f"{text!r} never came; the output was:\n{seen}")
            seen += line
        return seen

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        assert self.process is not None
        if number is not None:
            self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.process.kill()
        running.process.communicate()


def pids(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"127\.0\.0\.1:\d+ +(\d+)", text)]


def gone(numbers: list[int]) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if not any(Path(f"/proc/{number}").exists() for number in numbers):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_shows_logs_and_a_table_and_stops_cleanly_when_told(up: Up, number: signal.Signals) -> None:
    up.start()
    shown = up.read_until("Ctrl-C stops everything.")
    assert "gateway   | gateway serves with nothing" in shown
    assert "retrieval | retrieval serves with nothing" in shown
    assert f"docuquery --address 127.0.0.1:{up.ports.gateway} ask" in shown
    started = pids(shown)
    assert len(started) == 4
    code, rest = up.end(number)
    assert code == 0
    order = re.findall(r"(\w+) stopped", rest)
    assert order == ["gateway", "ingest", "answer", "retrieval"]
    assert rest.endswith("Stopped.\n")
    assert gone(started)
    assert "\x1b" not in shown + rest


def test_a_service_that_dies_stops_the_others_and_the_exit_code_is_1(up: Up) -> None:
    up.start(STANDIN_DIES="ingest:5")
    started = pids(up.read_until("Ctrl-C stops everything."))
    code, rest = up.end()
    assert code == 1
    assert "error: The ingest service ended with exit code 3. Its last lines:" in rest
    assert "ingest gives up" in rest
    assert re.findall(r"\| (\w+) stopped", rest) == ["gateway", "answer", "retrieval"]
    assert gone(started)


def test_a_service_that_dies_at_the_start_is_told(up: Up) -> None:
    up.start(STANDIN_DIES="answer:0", STANDIN_DELAY="0.5")
    code, output = up.end()
    assert code == 1
    assert "error: The answer service ended with exit code 3" in output
    assert "DocuQuery is up" not in output


def test_ctrl_c_while_starting_stops_what_was_started(up: Up) -> None:
    up.start(STANDIN_DELAY="60")
    seen = up.read_until("gateway starts")
    code, rest = up.end(signal.SIGINT)
    assert code == 0, seen + rest


def test_a_second_ctrl_c_kills(up: Up) -> None:
    up.start(STANDIN_STUBBORN="yes")
    started = pids(up.read_until("Ctrl-C stops everything."))
    assert up.process is not None
    up.process.send_signal(signal.SIGINT)
    up.read_until("Ctrl-C again kills")
    code, _ = up.end(signal.SIGINT)
    assert code == 1
    assert gone(started)


def test_no_service_outlives_a_killed_up(up: Up) -> None:
    up.start()
    started = pids(up.read_until("Ctrl-C stops everything."))
    assert len(started) == 4
    assert up.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert gone(started)


def test_a_port_in_use_is_told_before_anything_starts(up: Up) -> None:
    with socket.create_server(("127.0.0.1", up.ports.answer)):
        up.start()
        code, output = up.end()
    assert code == 1
    assert f"answer cannot listen on 127.0.0.1:{up.ports.answer}" in output
    assert "starts" not in output


def test_ports_come_from_the_environment_file_too(up: Up) -> None:
    lines = [f"{name.upper()}_PORT={getattr(up.ports, name)}" for name in ("ingest", "retrieval", "answer")]
    text = ["# GATEWAY_PORT=1", "", f"export GATEWAY_PORT='{up.ports.gateway}' # public", *lines]
    (up.folder / ".env").write_text("\n".join(text))
    up.start("--start-timeout=30")
    shown = up.read_until("Ctrl-C stops everything.")
    assert f"127.0.0.1:{up.ports.gateway}" in shown
    code, rest = up.end(signal.SIGTERM)
    assert code == 0, rest


def test_a_port_that_is_no_port_is_wrong_usage(up: Up) -> None:
    up.start("--start-timeout=30", INGEST_PORT="http")
    code, output = up.end()
    assert (code, output) == (2, "error: INGEST_PORT=http is not a port.\n")
