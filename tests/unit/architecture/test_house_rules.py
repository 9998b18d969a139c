"""Rules of the house that a machine can check."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
MAX_LINES = 300


def tracked(*patterns: str) -> list[Path]:
    """Files git knows or would know, without generated code."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listed if not name.startswith("libs/gen/") and (ROOT / name).is_file()]


def test_source_files_stay_short_enough_to_read() -> None:
    files = tracked("services/*.py", "libs/*.py")
    assert files
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert long == {}


def test_locks_pin_hashes_and_name_no_host() -> None:
    for lock in tracked("requirements*.lock"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--index-url|--find-links", text)


def test_nothing_is_left_unfinished() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError|pragma: no cover")
    found = [
        f"{p.relative_to(ROOT)}: {line.strip()}"
        for p in tracked("services/*.py", "libs/*.py", "protos/*.proto")
        for line in p.read_text().splitlines()
        if marks.search(line)
    ]
    assert found == []


def test_an_ignored_type_error_says_which() -> None:
    bare = re.compile(r"#\s*type: ignore(?!\[[a-z-, ]+\])")
    found = [
        str(p) for p in tracked("services/*.py", "libs/*.py", "tests/*.py") if bare.search(p.read_text())
    ]
    assert found == []
