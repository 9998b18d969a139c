"""Load by ghz, a generator written in Go (https://ghz.sh), where it is installed.

GOBIN=$PWD/build/bin go install github.com/bojand/ghz/cmd/ghz@v0.121.0
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from benchmarks.generator import Asked
from docuquery.gateway.v1 import docuquery_service_pb2 as pb

_BUILT = Path(__file__).parents[1] / "build/bin/ghz"
_SERVICE = "docuquery.gateway.v1.DocuQueryService"


def find_program() -> Path | None:
    """The program on the path or in build/bin."""
    found = shutil.which("ghz")
    return Path(found) if found else _BUILT if _BUILT.exists() else None


def version_of(program: Path) -> str:
    """Its version; one made by `go install` does not know its own, but its module's is inside."""
    go = shutil.which("go")
    if go:
        listed = _run(go, "version", "-m", str(program.resolve()))
        for line in listed.splitlines():
            if line.split()[:1] == ["mod"]:
                return line.split()[2]
    return _run(str(program), "--version").strip()


def protoset(path: Path) -> None:
    """Writes the public API and what it imports as a FileDescriptorSet."""
    found: dict[str, FileDescriptor] = {}

    def visit(file: FileDescriptor) -> None:
        if file.name not in found:
            for imported in file.dependencies:
                visit(imported)
            found[file.name] = file

    visit(pb.DESCRIPTOR)
    files = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(files.file.add())
    path.write_bytes(files.SerializeToString())


def load(program: Path, address: str, method: str, in_flight: int, seconds: float, work: Path) -> Asked:
    """Asks `method` (`Search`, `Query`) with the requests in `work`/`method`.json.

    Raises CalledProcessError, and ValueError when nothing was answered.
    """
    described = work / "api.protoset"
    if not described.exists():
        protoset(described)
    output = _run(
        str(program), "--insecure", "--protoset", str(described), "--call", f"{_SERVICE}.{method}",
        "--data-file", str(work / f"{method}.json"), "--concurrency", str(in_flight),
        "--duration", f"{seconds:g}s", "--duration-stop", "wait", "--timeout", "60s", "--format", "json",
        address,
    )  # fmt: skip
    return asked_of(json.loads(output))


def asked_of(report: dict[str, Any]) -> Asked:
    """What a report of ghz says; its times are nanoseconds. Raises ValueError when nothing was answered."""
    times = {entry["percentage"]: entry["latency"] / 1e6 for entry in report.get("latencyDistribution") or ()}
    answered = (report.get("statusCodeDistribution") or {}).get("OK", 0)
    if not answered:
        raise ValueError(f"ghz got no answer: {report.get('errorDistribution')}")
    return Asked(
        per_second=answered / (report["total"] / 1e9),
        p50_ms=times[50],
        p95_ms=times[95],
        p99_ms=times[99],
        answered=answered,
        failed=report["count"] - answered,
    )


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
