"""CPU time and memory of a process and its descendants, read from /proc (Linux)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024
_SAMPLE_SECONDS = 0.5


def tree(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    found = [pid]
    for parent in found:
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            for task in tasks:
                found.extend(int(child) for child in (task / "children").read_text().split())
        except OSError:
            continue  # it ended meanwhile
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree, ended children included."""
    return sum(_cpu(one) for one in tree(pid))


def _cpu(pid: int) -> float:
    try:
        # The command's name, in brackets, may hold anything: what follows the last one is numbers.
        numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, numbers[11:15])) / _TICKS


def resident_mib(pid: int) -> float:
    """Resident memory of a process tree, in MiB, each process's share of shared pages only (PSS)."""
    return sum(_pss(one) for one in tree(pid))


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / _MIB


@dataclass(slots=True)
class Usage:
    """What some processes used, by name."""

    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)


@asynccontextmanager
async def watched(pids: Mapping[str, int]) -> AsyncIterator[Usage]:
    """Samples memory twice a second and takes the CPU time used inside the block."""
    usage = Usage(peak_mib=dict.fromkeys(pids, 0.0))
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}

    async def sample() -> None:
        while True:
            for name, pid in pids.items():
                usage.peak_mib[name] = max(usage.peak_mib[name], resident_mib(pid))
            await asyncio.sleep(_SAMPLE_SECONDS)

    sampling = asyncio.create_task(sample())
    try:
        yield usage
    finally:
        sampling.cancel()
        usage.cpu_seconds.update({name: cpu_seconds(pid) - before[name] for name, pid in pids.items()})
