"""How well and how fast the parsers read files whose text is known.

    python -m benchmarks.parsing FOLDER...

Four layouts are understood:

- `ground-truth.json` and `html/<key>.html.gz`: pages with the body of the article marked by people. The score
  is F1 over bags of four-word shingles, each page weighing the same (the measure of the article extraction
  benchmark by Scrapinghub).
- `manifest.jsonl` with `file` and `expected`: word recall, the share of the expected file's words (counted
  with repetition) that the text has, by type.
- `must_include.jsonl` and `test_files/`: word recall where `test_files/expected_outputs/` has the text of a
  file; and the share of the strings each file must show (`must_include`) whose words stand in the text, one
  after another.
- `files.json` with the pages of PDFs: word recall where a text stands beside one (`<name>.txt` or
  `<name>.ground-truth.txt`), and the share of files whose pages were all found.

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
from importlib import import_module
from pathlib import Path

from libs.errors import DocuQueryError
from services.ingest import parsers
from services.ingest.detection.detect import HEAD_BYTES, detect
from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.errors import ParseError

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

    def read(self, path: Path) -> ParsedDocument | None:
        """The document at `path`, counted and timed; None, and noted, when it is refused."""
        self.files += 1
        self.size += path.stat().st_size
        begin = time.process_time()
        try:
            with path.open("rb") as file:
                kind = detect(file.read(HEAD_BYTES), path.name, path=path)
            return parsers.read(path, kind)
        except (DocuQueryError, ParseError) as error:
            self.failed.append(f"{path.name}: {str(error).partition(':')[0]}")
            return None
        finally:
            self.seconds += time.process_time() - begin


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
            parsed = row.read(page)
            text = "" if parsed is None else parsed.text
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
        add_recall(row, path, (folder / entry["expected"]).read_text(errors="replace"))
    return rows


def add_recall(row: Row, path: Path, expected: str) -> None:
    """Reads `path` and scores the share of the expected words it has."""
    parsed = row.read(path)
    if parsed is not None:
        wanted = words(expected)
        row.scores.append((words(parsed.text) & wanted).total() / max(1, wanted.total()))


def required_strings(folder: Path) -> dict[str, Row]:
    """Word recall where the text is known; strings that must be found, by type."""
    rows: dict[str, Row] = defaultdict(Row)
    for expected in sorted((folder / "test_files" / "expected_outputs").glob("*.md")):
        text = expected.read_text(errors="replace")
        path = folder / "test_files" / f"{expected.stem}.pdf"
        # The scan among them is expected to be empty.
        if text.strip() and path.exists():
            add_recall(rows[f"{folder.name} pdf (word recall)"], path, text)
    for line in (folder / "must_include.jsonl").read_text().splitlines():
        entry = json.loads(line)
        path = folder / "test_files" / entry["filename"]
        wanted = [" ".join(_WORD.findall(one.casefold())) for one in entry["must_include"]]
        if not path.exists() or not wanted:
            continue
        row = rows[f"{folder.name} {path.suffix.lstrip('.')} (required strings)"]
        parsed = row.read(path)
        if parsed is not None:
            text = " ".join(_WORD.findall(parsed.text.casefold()))
            row.scores.append(sum(one in text for one in wanted) / len(wanted))
    return rows


def samples(folder: Path) -> dict[str, Row]:
    """Word recall where a text stands beside a PDF; pages found."""
    recall, pages = Row(), Row()
    for entry in json.loads((folder / "files.json").read_text())["data"]:
        path = folder / entry["path"]
        if path.exists() and not entry.get("encrypted"):
            parsed = pages.read(path)
            if parsed is not None:
                pages.scores.append(float(len(parsed.pages) == entry["pages"]))
    for expected in sorted(folder.rglob("*.txt")):
        for path in sorted(expected.parent.glob(f"{expected.name.split('.')[0]}*.pdf")):
            add_recall(recall, path, expected.read_text())
    return {f"{folder.name} (word recall)": recall, f"{folder.name} (page count)": pages}


LAYOUTS = {
    "ground-truth.json": articles,
    "manifest.jsonl": expected_texts,
    "must_include.jsonl": required_strings,
    "files.json": samples,
}
"""The file that marks a layout → its measure."""


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
    for kind in DocumentType:
        # Loading a library is no part of reading the first file with it.
        import_module(f"services.ingest.parsers.{kind}")
    rows: dict[str, Row] = {}
    for name in arguments:
        folder = Path(name)
        for mark, measure in LAYOUTS.items():
            if (folder / mark).exists():
                rows.update(measure(folder))
    sys.stdout.write(table(rows) + "\n")
    for row_name, row in rows.items():
        for failure in row.failed:
            sys.stdout.write(f"refused in {row_name}: {failure}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
