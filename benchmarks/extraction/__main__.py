"""The extractive provider's constants: fitted, checked on documents not seen, timed.

    python -m benchmarks.extraction fit FOLDER
    python -m benchmarks.extraction check FOLDER [--png FILE]
    python -m benchmarks.extraction time FOLDER

`fit` prints the constants, `check` leaves out one document at a time and prints answers, abstention and
calibration on it, `time` prints the processor time of an answer, and
the memory of the word vectors.

FOLDER is a question-answering set as `docuquery eval` reads it (see docuquery_client.evaluation.squad). Its
documents go into a system of its own; each question is answered from the five best passages of a search.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from benchmarks.extraction.cases import collect
from benchmarks.extraction.model import fit_all
from benchmarks.extraction.report import check, measure_time
from benchmarks.processes import resident_mib
from docuquery_client.evaluation.records import DatasetError
from docuquery_client.evaluation.squad import load_answers
from services.answer.extraction.confidence import Signals
from services.answer.extraction.features import Features
from services.answer.language.vectors import PieceVectors


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction")
    parser.add_argument("command", choices=("fit", "check", "time"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--top-k", type=int, default=5)
    parser.add_argument("--png", type=Path, help="draw the abstention curve here (needs matplotlib)")
    options = parser.parse_args()
    try:
        dataset = load_answers(options.folder)
    except DatasetError as error:
        raise SystemExit(str(error)) from None
    before = resident_mib(os.getpid())
    vectors = PieceVectors.load()
    loaded = resident_mib(os.getpid()) - before
    cases = asyncio.run(collect(dataset, vectors, options.top_k))
    if options.command == "check":
        check(cases, vectors, options.png)
    elif options.command == "time":
        print(f"The word vectors take {loaded:.0f} MiB.")
        measure_time(cases, vectors)
    else:
        model = fit_all(cases)
        print("WEIGHTS = Features(")
        for name, value in zip(Features._fields, model.weights, strict=True):
            print(f"    {name}={value:.2f},")
        print(f")\n\nINTERCEPT = {model.intercept:.3f}\nWEIGHTS = Signals(")
        for name, value in zip(Signals._fields, model.confidence, strict=True):
            print(f"    {name}={value:.3f},")
        print(")")


if __name__ == "__main__":
    main()
