"""Packs the contracts for callers: `make protos-archive` writes build/docuquery-protos-<version>.tar.gz.

The same contracts give the same bytes: files in order, one time and no owner for all, nothing of the machine.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

_TIME = 315_532_800
"""1980-01-01, in seconds since 1970: the earliest a zip file can hold, should somebody pack it anew."""


def version() -> str:
    """The version in pyproject.toml, which an installed package need not have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def contents() -> dict[str, bytes]:
    """What goes in, by path: the contracts as they lie here, the settings of buf, licence and version."""
    sources = sorted((ROOT / "protos").rglob("*.proto"))
    files = [ROOT / "LICENSE", ROOT / "buf.yaml", *sources]
    packed = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}
    return packed | {"VERSION": f"{version()}\n".encode()}


def packed(files: Mapping[str, bytes], folder: str) -> bytes:
    """A gzipped tar of `files` below one `folder`."""
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(files[name]), _TIME, 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    zipped = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=zipped, mtime=_TIME) as stream:
        stream.write(tarred.getvalue())
    return zipped.getvalue()


def write(folder: Path) -> Path:
    """Writes the archive into `folder`, which is made if need be; returns its path."""
    name = f"docuquery-protos-{version()}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.tar.gz"
    path.write_bytes(packed(contents(), name))
    return path


def main() -> None:
    """Writes it to build/."""
    sys.stdout.write(f"{write(ROOT / 'build').relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
