"""The commands a page shows, run as a reader would run them."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support import ROOT


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    said: str
    """Both outputs."""


def commands_of(text: str, *programs: str) -> list[str]:
    """The commands of these programs in a page's shell blocks, in order, here-documents included."""
    starts = "|".join(re.escape(program) for program in programs)
    found: list[str] = []
    for block in re.findall(r"```bash\n(.*?)```", text, re.S):
        for part in re.split(rf"\n(?=(?:{starts}) |#|\n)", "\n" + block):
            if re.match(rf"(?:{starts}) ", part.strip()):
                found.append(part.strip())
    return found


def method_of(command: str) -> str:
    """`Service/Method` of a call of the public contract; empty for other commands."""
    found = re.search(r"docuquery\.gateway\.v1\.(\w+/\w+)", command)
    return found.group(1) if found else ""


async def run(command: str, replaced: Mapping[str, str], cwd: Path = ROOT) -> Done:
    """Runs a command in a shell, with parts of its text replaced (addresses, ids)."""
    for old, new in replaced.items():
        command = command.replace(old, new)
    folders = [ROOT / "build" / "bin", ROOT / "node_modules" / ".bin", Path(sys.executable).parent]
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", command],
        cwd=cwd,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
    )
    return Done(done.returncode, done.stdout, done.stdout + done.stderr)
