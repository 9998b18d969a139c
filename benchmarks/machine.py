"""What a measurement ran on: figures of different machines are not compared."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("grpcio", "protobuf", "numpy", "qdrant-client", "qdrant-edge-py", "uvloop", "pypdfium2")
IDENTITY = ("system", "cpu_model", "cpus", "memory_gib", "python")
"""The facts that have to be the same for two reports to be compared."""


def facts() -> dict[str, object]:
    """Of this machine, now. Linux; elsewhere the model and the memory are unknown."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_model": cpu_model(_text("/proc/cpuinfo")),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": memory_gib(_text("/proc/meminfo")),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "python_version": platform.python_version(),
        "kernel": platform.release(),
        "packages": {name: version(name) for name in _PACKAGES},
        "revision": revision(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def cpu_model(cpuinfo: str) -> str:
    """The first processor's model by /proc/cpuinfo."""
    models = (
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")
    )
    return next(models, "unknown")


def memory_gib(meminfo: str) -> int:
    """All memory by /proc/meminfo, in whole GiB; 0 when unknown."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 1024**2)
    return 0


def revision() -> str:
    """The commit that is checked out, with `+` when files differ from it; "unknown" outside a clone."""
    root = Path(__file__).parents[1]
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    command = ("git", "-C", str(root), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
