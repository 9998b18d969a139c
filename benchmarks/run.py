"""All of the benchmarks in one run: ingest, search, questions, streaming, memory, start-up, overhead.

    python -m benchmarks.run [--quick | --full] [--rounds N] [--json FILE] [--markdown FILE] [--png FOLDER]
                             [--only MODULE,...] [--note TEXT] [PATH...]

Without PATH it takes samples/handbook, and makes texts and PDFs of its sentences, enough to be measured. Each
part is a process (`python -m benchmarks.<part>`), one at a time; what they print goes by. The figures of all
of them, the machine, and its load before each part go into one JSON file, tables of medians and spreads into
Markdown, drawings into a folder. `python -m benchmarks.compare` compares two runs.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import ghz, machine, measurement, report
from benchmarks.corpus import write_pdfs, write_texts
from benchmarks.parts import FULL, NORMAL, QUICK, Part, Sizes, parts
from benchmarks.plots import draw
from benchmarks.report import PartResult, Report
from docuquery_client.cli.ingest_files import select

_SAMPLES = "samples/handbook"


def run_part(part: Part, work: Path) -> PartResult:
    """Runs a part as often as it says. Raises CalledProcessError when it fails."""
    command = ("python", "-m", f"benchmarks.{part.module}", *part.arguments)
    load, began = os.getloadavg()[0], time.perf_counter()
    runs = []
    for number in range(1, part.repeats + 1):
        print(f"\n== {part.name}" + (f", round {number}" if part.repeats > 1 else ""), flush=True)
        output = work / "part.json"
        subprocess.run((sys.executable, *command[1:], "--json", str(output)), check=True)  # noqa: S603
        runs.append(measurement.read(output))
    seconds = round(time.perf_counter() - began, 1)
    shown = shlex.join(command).replace(str(work), "WORK")
    return PartResult(part.name, shown, round(load, 2), seconds, measurement.joined(runs))


def sort_out(paths: list[str], work: Path) -> None:
    """Copies PDFs into `work`/pdfs and all other files into `work`/texts, so that each is measured apart."""
    for number, found in enumerate(select(paths).files):
        kind = "pdfs" if found.path.suffix.lower() == ".pdf" else "texts"
        (work / kind).mkdir(exist_ok=True)
        shutil.copyfile(found.path, work / kind / f"{number:05}{found.path.suffix}")


def run_all(sizes: Sizes, paths: list[str], only: list[str], note: str) -> Report:
    """Makes what is missing, runs every part."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        own = not paths
        paths = paths or [_SAMPLES]
        if own:
            write_texts(work / "texts", paths, sizes.texts)
            write_pdfs(work / "pdfs", paths, sizes.pdfs, sizes.pdf_pages)
        else:
            sort_out(paths, work)
        texts, pdfs = ([str(work / kind)] if (work / kind).exists() else [] for kind in ("texts", "pdfs"))
        wanted = [part for part in parts(sizes, paths, texts, pdfs, work) if not only or part.module in only]
        results = [run_part(part, work) for part in wanted]
    program = ghz.find_program()
    conditions = {
        "files": "made of the samples" if own else "given",
        "seconds": sizes.seconds,
        "chunks": list(sizes.chunks),
        "generator": f"ghz {ghz.version_of(program)}" if program else "built-in",
    }
    return Report(machine.facts(), conditions, results, note)


def main() -> None:
    """Reads the arguments, measures, writes."""
    parser = argparse.ArgumentParser(prog="benchmarks.run")
    parser.add_argument("paths", nargs="*", metavar="PATH", help=f"text, PDFs (made of {_SAMPLES})")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="make everything tiny, to see that it runs")
    size.add_argument("--full", action="store_true", help="100,000 chunks, longer bursts")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", default="", metavar="MODULE,...", help="run these benchmarks only")
    parser.add_argument("--note", default="", help="what a reader of the figures has to know")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--png", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL if options.full else NORMAL
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    only = [name for name in options.only.split(",") if name]
    result = run_all(sizes, options.paths, only, options.note)
    if options.json:
        report.write(options.json, result)
    pictures = draw(options.png, result) if options.png else []
    if options.markdown:
        near = options.png or Path()
        shown = [os.path.relpath(near / picture, options.markdown.parent) for picture in pictures]
        options.markdown.write_text(report.markdown(result, shown), "utf-8")
    print(f"\n{report.markdown(result)}")


if __name__ == "__main__":
    main()
