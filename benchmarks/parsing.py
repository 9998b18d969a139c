"""How well and how fast the parsers read files whose text is known.

    python -m benchmarks.parsing FOLDER...

Two layouts are understood:

- `ground-truth.json` and `html/<key>.html.gz`: pages with the body of the article marked by people. The score
  is F1 over bags of four-word shingles, each page weighing the same (the measure of the article extraction
  benchmark by Scrapinghub).
- `manifest.jsonl` with `file` and `expected`: word recall, the share of the expected file's words (counted
  with repetition) that the text has, by type.

Parsing runs in this process, without the service's limits. Times are CPU seconds.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from libs.errors import DocuQueryError
from services.ingest import parsers
from services.ingest.detect import HEAD_BYTES, detect
from services.ingest.parse_error import ParseError

_WORD = re.compile(r"\w+")
_SHINGLE = 4


@dataclass(slots=True)
class Row:
    """One line of the table."""

    files: int = 0
    failed: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    size: int = 0


def read_text(path: Path) -> str:
    """The normalised text. Raises DocuQueryError."""
    with path.open("rb") as file:
        kind = detect(file.read(HEAD_BYTES), path.name, path=path)
    return parsers.read(path, kind).text


def words(text: str) -> Counter[str]:
    """Words with their counts, case folded."""
    return Counter(_WORD.findall(text.casefold()))


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Runs of four words with their counts; the whole text when it is shorter."""
    found = _WORD.findall(text)
    if len(found) < _SHINGLE:
        return Counter([tuple(found)]) if found else Counter()
    return Counter(zip(*(found[i:] for i in range(_SHINGLE)), strict=False))


def articles(folder: Path) -> dict[str, Row]:
    """F1 of the main text."""
    truth = json.loads((folder / "ground-truth.json").read_text())
    row = Row()
    hit = extra = missed = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for key, expected in truth.items():
            page = Path(scratch) / "page.html"
            page.write_bytes(gzip.decompress((folder / "html" / f"{key}.html.gz").read_bytes()))
            row.files += 1
            row.size += page.stat().st_size
            begin = time.process_time()
            try:
                text = read_text(page)
            except (DocuQueryError, ParseError) as error:
                row.failed.append(f"{key}: {str(error).partition(':')[0]}")
                text = ""
            row.seconds += time.process_time() - begin
            got, wanted = shingles(text), shingles(expected["articleBody"])
            common = (got & wanted).total()
            total = max(1, got.total() + wanted.total() - common)
            hit += common / total
            extra += (got.total() - common) / total
            missed += (wanted.total() - common) / total
    row.scores = [2 * hit / (2 * hit + extra + missed)]
    return {"html articles (F1)": row}


def expected_texts(folder: Path) -> dict[str, Row]:
    """Word recall by type."""
    rows: dict[str, Row] = defaultdict(Row)
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if not entry.get("expected"):
            continue
        path = folder / entry["file"]
        row = rows[f"{folder.name} {path.suffix.lstrip('.')} (word recall)"]
        row.files += 1
        row.size += path.stat().st_size
        wanted = words((folder / entry["expected"]).read_text(errors="replace"))
        begin = time.process_time()
        try:
            got = words(read_text(path))
        except (DocuQueryError, ParseError) as error:
            row.failed.append(f"{path.name}: {str(error).partition(':')[0]}")
            continue
        finally:
            row.seconds += time.process_time() - begin
        row.scores.append((got & wanted).total() / max(1, wanted.total()))
    return rows


def table(rows: dict[str, Row]) -> str:
    """The rows as Markdown."""
    lines = ["| what | files | refused | score | MB per CPU second |", "|---|---|---|---|---|"]
    for name, row in sorted(rows.items()):
        score = f"{sum(row.scores) / len(row.scores):.3f}" if row.scores else "–"
        speed = row.size / 1e6 / max(row.seconds, 1e-9)
        lines.append(f"| {name} | {row.files} | {len(row.failed)} | {score} | {speed:.1f} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measures the folders named; prints a table and what was refused."""
    if not arguments:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    rows: dict[str, Row] = {}
    for name in arguments:
        folder = Path(name)
        rows.update(articles(folder) if (folder / "ground-truth.json").exists() else expected_texts(folder))
    sys.stdout.write(table(rows) + "\n")
    for row_name, row in rows.items():
        for failure in row.failed:
            sys.stdout.write(f"refused in {row_name}: {failure}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
