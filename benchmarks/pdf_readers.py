"""pypdf, PDFium, and PDFium with what this project adds to it, on PDFs whose text is known.

    python -m benchmarks.pdf_readers [FOLDER...]

Without a folder: the samples of `benchmarks.pdf_generated`. With folders: also every PDF in them beside which
lies its text, as `NAME.pdf.expected.md`, `expected_outputs/NAME.md`, `NAME.ground-truth.txt` or `NAME.txt`;
and the speed of each reader over all PDFs there are.

Two scores, each `found ÷ expected` with repetition counted, case ignored: *words*, and *pairs* of
neighbouring words, which tells whether columns, lines and right-to-left words come in reading order. A third,
*extra*, is the share of the words read that nobody expected. Times are CPU seconds of this process; pypdf
is timed on the first twenty pages of each file, being slow.
"""

from __future__ import annotations

import logging
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import pypdfium2
from pypdf import PdfReader

from benchmarks.pdf_generated import samples
from services.ingest.parsers import pdf
from services.ingest.parsers.errors import ParseError
from services.ingest.text.normalisation import clean

_WORD = re.compile(r"\w+")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PYPDF_PAGES = 20


@dataclass(frozen=True, slots=True)
class Scores:
    """How well a text was read; each between 0 and 1."""

    words: float
    pairs: float
    extra: float


def by_pypdf(path: Path) -> str:
    """The text pypdf reads."""
    return clean("\n".join(page.extract_text() for page in PdfReader(path).pages))


def by_pdfium(path: Path) -> str:
    """The text PDFium reads, with nothing mended."""
    with pypdfium2.PdfDocument(path) as document:
        return clean("\n".join(page.get_textpage().get_text_range() for page in document))


def by_project(path: Path) -> str:
    """The text ingest stores."""
    return pdf.parse(path).text


READERS: dict[str, Callable[[Path], str]] = {"pypdf": by_pypdf, "PDFium": by_pdfium, "ours": by_project}


def score(text: str, expected: str) -> Scores:
    """Compares words and pairs of neighbouring words."""
    got, wanted = _WORD.findall(text.casefold()), _WORD.findall(expected.casefold())
    words, pairs = Counter(wanted), Counter(pairwise(wanted))
    common = (Counter(got) & words).total()
    return Scores(
        words=common / max(1, words.total()),
        pairs=(Counter(pairwise(got)) & pairs).total() / max(1, pairs.total()),
        extra=1 - common / max(1, len(got)),
    )


def with_known_text(folder: Path) -> Iterator[tuple[Path, str]]:
    """The PDFs of a folder and the text of each, where it is known."""
    for path in sorted(folder.rglob("*.pdf")):
        beside = (
            path.with_name(f"{path.name}.expected.md"),
            path.parent / "expected_outputs" / f"{path.stem}.md",
            *(text for text in path.parent.glob("*.txt") if path.stem.startswith(text.name.split(".")[0])),
        )
        for text in beside:
            if text.exists():
                yield path, _COMMENT.sub(" ", text.read_text(encoding="utf-8", errors="replace"))
                break


def compared(name: str, path: Path, expected: str) -> tuple[str, list[Scores]]:
    """One row of the table: a reader that fails on the file has read nothing."""
    scores: list[Scores] = []
    for read in READERS.values():
        try:
            text = read(path)
        except (ParseError, pypdfium2.PdfiumError, ValueError, KeyError) as error:
            sys.stderr.write(f"{name}: {error}\n")
            text = ""
        scores.append(score(text, expected))
    return name, scores


def table(title: str, rows: list[tuple[str, list[Scores]]]) -> str:
    """The rows and their mean as Markdown: words / pairs / extra."""
    means = [
        Scores(
            statistics.fmean(scores[reader].words for _, scores in rows),
            statistics.fmean(scores[reader].pairs for _, scores in rows),
            statistics.fmean(scores[reader].extra for _, scores in rows),
        )
        for reader in range(len(READERS))
    ]
    lines = [
        f"| {title}: words / pairs / extra | " + " | ".join(READERS) + " |",
        "|---" * (len(READERS) + 1) + "|",
    ]
    for name, scores in [*rows, ("**mean**", means)]:
        cells = (f"{each.words:.2f} / {each.pairs:.2f} / {each.extra:.2f}" for each in scores)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speeds(paths: list[Path]) -> dict[str, float]:
    """Pages per CPU second of each reader, over files that all of them open."""
    pages: Counter[str] = Counter()
    seconds = dict.fromkeys(READERS, 0.0)
    for path in paths:
        try:
            count = len(pdf.parse(path).pages)
            readers: dict[str, tuple[int, Callable[[Path], object]]] = {
                "pypdf": (min(count, _PYPDF_PAGES), _first_pages),
                "PDFium": (count, by_pdfium),
                "ours": (count, by_project),
            }
            for name, (read_pages, read) in readers.items():
                begin = time.process_time()
                read(path)
                seconds[name] += time.process_time() - begin
                pages[name] += read_pages
        except (ParseError, pypdfium2.PdfiumError, ValueError, KeyError):
            continue
    return {name: pages[name] / max(seconds[name], 1e-9) for name in READERS}


def _first_pages(path: Path) -> None:
    for page in islice(PdfReader(path).pages, _PYPDF_PAGES):
        page.extract_text()


def main(arguments: list[str]) -> int:
    """Prints the tables."""
    logging.disable(logging.CRITICAL)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, (content, expected) in samples().items():
            path = Path(scratch) / "sample.pdf"
            path.write_bytes(content)
            rows.append(compared(name, path, expected))
    sys.stdout.write(table("generated", rows) + "\n")
    for argument in arguments:
        folder = Path(argument)
        known = [compared(path.name, path, text) for path, text in with_known_text(folder)]
        if known:
            sys.stdout.write(f"\n{table(folder.name, known)}\n")
    files = [path for argument in arguments for path in sorted(Path(argument).rglob("*.pdf"))]
    if files:
        sys.stdout.write("\n| reader | pages per CPU second |\n|---|---|\n")
        for name, speed in speeds(files).items():
            sys.stdout.write(f"| {name} | {speed:.0f} |\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
