"""Whether the languages of documents are told, and whether they disturb each other.

    python -m benchmarks.languages detect [--pieces N] FOLDER
    python -m benchmarks.languages beside DIR OTHER...

`detect` takes a folder of texts named after their language (`de.txt`) and cuts pieces of several lengths from
them at places drawn by a fixed seed: the share whose language is told, and told wrongly.

`beside` uploads the test collection DIR (BEIR layout) and asks its queries by words; then uploads the others
as if they were in another language, and asks again. Their words never meet, so nDCG@10 should stay.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from docuquery.common.v1.passage_pb2 import SEARCH_MODE_SPARSE
from docuquery_client import AsyncDocuQuery
from docuquery_client.evaluation.beir import RetrievalDataset, load
from docuquery_client.evaluation.embedded import embedded_system
from docuquery_client.evaluation.ranking_metrics import ndcg
from docuquery_client.evaluation.upload import source_of, upload, write_files
from libs.languages import LANGUAGES
from services.ingest.text.language import detect

_LENGTHS = (40, 60, 80, 120, 200, 400)
_OTHER_LANGUAGE = "ru"


def detection(folder: Path, pieces_each: int) -> None:
    """Prints a line for each length."""
    texts = {path.stem: " ".join(path.read_text("utf-8").split()) for path in sorted(folder.glob("*.txt"))}
    texts = {code: text for code, text in texts.items() if code in LANGUAGES}
    rng = random.Random(1)
    for length in _LENGTHS:
        told = wrong = pieces = 0
        seconds = time.process_time()
        for code, text in texts.items():
            for _ in range(pieces_each if len(text) > length else 0):
                start = rng.randrange(len(text) - length)
                found = detect(text[start : start + length])
                pieces += 1
                told += found == code
                wrong += found not in ("", code)
        seconds = time.process_time() - seconds
        print(
            f"{length:4} characters: {pieces} pieces of {len(texts)} languages, told {told / pieces:.3f}, "
            f"wrong {wrong / pieces:.4f}, {seconds / pieces * 1e6:.0f} µs each"
        )


async def beside(folder: Path, others: list[Path]) -> None:
    """Prints nDCG@10 by words, alone and among the others."""
    dataset = load(folder)
    async with embedded_system() as address, AsyncDocuQuery(address) as client:
        await _uploaded(client, dataset, "en")
        print(f"{dataset.name} alone: {await _score(client, dataset):.4f}")
        for other in others:
            await _uploaded(client, load(other), _OTHER_LANGUAGE)
        print(f"{dataset.name} among {len(others)} others: {await _score(client, dataset):.4f}")


async def _uploaded(client: AsyncDocuQuery, dataset: RetrievalDataset, language: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [replace(file, language=language) for file in write_files(dataset, Path(folder))]
        await upload(client, files, max_in_flight=16, on_finished=lambda: None)


async def _score(client: AsyncDocuQuery, dataset: RetrievalDataset) -> float:
    ids = {source_of(dataset.name, document.id): document.id for document in dataset.documents}
    scores = []
    for query in dataset.queries:
        reply = await client.search(query.text, limit=50, mode=SEARCH_MODE_SPARSE)
        ranking = list(dict.fromkeys(ids[p.source] for p in reply.passages if p.source in ids))
        scores.append(ndcg(ranking, query.grades, 10))
    return sum(scores) / len(scores)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.languages")
    commands = parser.add_subparsers(dest="command", required=True)
    detect_command = commands.add_parser("detect")
    detect_command.add_argument("folder", type=Path)
    detect_command.add_argument("--pieces", type=int, default=40, help="of each length from each text")
    beside_command = commands.add_parser("beside")
    beside_command.add_argument("folder", type=Path)
    beside_command.add_argument("others", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "detect":
        detection(arguments.folder, arguments.pieces)
    else:
        asyncio.run(beside(arguments.folder, arguments.others))


if __name__ == "__main__":
    main()
