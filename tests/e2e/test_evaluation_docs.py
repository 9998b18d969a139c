"""Every command of docs/evaluation.md works as printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.llm_server import End, Finish, Open, Text
from tests.contract.llm_thread import model_server
from tests.e2e.support import ROOT

DOCS = (ROOT / "docs" / "evaluation.md").read_text()
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", DOCS, re.S) for line in block.splitlines()]
DOCUQUERY = [command for command in COMMANDS if not command.startswith("make ")]
WRITTEN = (
    "base.json", "base.md", "plots/metrics.png", "plots/latency.png", "plots/calibration.png", "short.json",
    "modes.json", "modes.md", "judged.json",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_command_works_and_writes_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    grades = Text('{"quality": 4, "faithfulness": 5}')
    with model_server(Open(), grades, Finish("stop"), End()) as server:
        env = {
            **os.environ,
            # The console script, and its modules where they are installed for the tests only.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "DOCUQUERY_JUDGE_BASE_URL": f"http://127.0.0.1:{server.port}/v1",
        }
        for command in DOCUQUERY:
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            assert done.stdout.strip(), command
    assert [name for name in WRITTEN if not (tmp_path / name).is_file()] == []
    assert json.loads((tmp_path / "judged.json").read_text())["judge"]["model"] == "openai:MODEL"


def test_the_targets_it_names_exist_and_the_gate_runs_for_every_change() -> None:
    targets = [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    makefile = (ROOT / "Makefile").read_text()
    assert targets
    assert all(re.search(rf"^{target}:.*## ", makefile, re.M) for target in targets)
    assert "\nmake eval\n" in (ROOT / ".ci" / "run").read_text()


def test_the_table_of_the_golden_set_is_that_of_the_baseline() -> None:
    baseline = json.loads((ROOT / "tests" / "evals" / "baseline.json").read_text())
    section = DOCS.split("## The golden set")[1]
    right = [int(cell) for cell in re.findall(r"^\| [^|]+ \| \d+ \| (\d+) \|$", section, re.M)]
    assert right == list(baseline["correct"].values())
    assert f"{baseline['questions']} questions" in section
