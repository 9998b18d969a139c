"""What `make bench` measures with: texts and PDFs of a size worth measuring, made of sentences of real text.

The same sentences give the same files each time.
"""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.texts import document, sentences_of

_PAGE_CHARACTERS = 3000
"""Characters of a PDF's page."""


def write_texts(folder: Path, paths: list[str], count: int) -> None:
    """`count` text files of about 12 KB."""
    sentences, rng = sentences_of(paths), random.Random(5)
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:04}.txt").write_text(document(sentences, rng), "utf-8")


def write_pdfs(folder: Path, paths: list[str], count: int, pages: int) -> None:
    """`count` PDFs of `pages` pages of prose. Needs fpdf2."""
    from fpdf import FPDF

    sentences, rng = sentences_of(paths), random.Random(6)
    folder.mkdir(parents=True)
    for number in range(count):
        pdf = FPDF()
        pdf.set_font("helvetica", size=10)
        for _ in range(pages):
            pdf.add_page()
            prose = document(sentences, rng)[:_PAGE_CHARACTERS]
            # The fonts that need no file know Latin-1 only.
            pdf.multi_cell(0, 5, prose.encode("latin-1", "ignore").decode("latin-1"))
        pdf.output(str(folder / f"{number:04}.pdf"))
