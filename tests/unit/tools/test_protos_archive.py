"""The contracts as callers download them: always the same bytes, and all they need to generate code."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools import protos_archive
from tools.contracts import files


def unpacked(folder: Path) -> Path:
    """The folder inside the archive, unpacked into `folder`."""
    archive = protos_archive.write(folder)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def test_built_again_elsewhere_and_later_it_has_the_same_bytes(tmp_path: Path) -> None:
    first = protos_archive.write(tmp_path / "first")
    code = (
        "import os, sys, pathlib; from tools import protos_archive as p; "
        "os.umask(0o077); p.write(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "second")],
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
        cwd=protos_archive.ROOT,
        check=True,
    )
    assert (tmp_path / "second" / first.name).read_bytes() == first.read_bytes()


def test_it_tells_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    with tarfile.open(protos_archive.write(tmp_path)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    marks = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members}
    assert marks == {(315_532_800, 0, 0, "", "", 0o644)}


def test_what_is_unpacked_compiles_to_the_contracts_by_itself(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    protos = folder / "protos"
    sources = [str(path.relative_to(protos)) for path in sorted(protos.rglob("*.proto"))]
    out = tmp_path / "contracts.binpb"
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"--descriptor_set_out={out}", *sources],
        cwd=tmp_path,
        check=True,
    )
    compiled = FileDescriptorSet.FromString(out.read_bytes()).file
    assert [file.name for file in compiled] == [file.name for file in files()]
    assert [file.service for file in compiled] == [file.service for file in files()]
    assert (folder / "VERSION").read_text().strip() == protos_archive.version()
    for name in ("LICENSE", "buf.yaml"):
        assert (folder / name).read_bytes() == (protos_archive.ROOT / name).read_bytes()
