"""The benchmarks that `make bench` puts together, as commands with the sizes of one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LEVELS = (1, 4, 16)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    rounds: int
    seconds: float
    """Of a burst of calls."""
    texts: int
    pdfs: int
    pdf_pages: int
    chunks: tuple[int, ...]
    """Sizes of the store for the cost curve."""
    loaded_chunks: int
    """Stored while callers are counted up."""
    tokens: int
    """Of a streamed answer."""

    def __post_init__(self) -> None:
        """Raises ValueError for a run without rounds or without a size."""
        if self.rounds < 1 or not self.chunks:
            raise ValueError("a run needs at least one round and one size")


NORMAL = Sizes(5, 3.0, 150, 4, 25, (1_000, 10_000), 2_000, 400)
FULL = Sizes(5, 10.0, 500, 8, 50, (1_000, 10_000, 100_000), 10_000, 400)
QUICK = Sizes(1, 0.5, 4, 1, 2, (100,), 100, 40)


@dataclass(frozen=True, slots=True)
class Part:
    """A benchmark to run, `repeats` times over."""

    name: str
    """Unique in a run; the headline of its table."""
    module: str
    arguments: tuple[str, ...]
    repeats: int = 1
    """1 where the benchmark itself takes several rounds."""


def parts(sizes: Sizes, paths: list[str], texts: list[str], pdfs: list[str], work: Path) -> list[Part]:
    """What is measured, in order.

    `paths`: the corpus whose sentences are asked for; `texts`, `pdfs`: what is ingested, either may be empty;
    `work`: where stores are kept from round to round.
    """
    rounds, seconds = str(sizes.rounds), f"{sizes.seconds:g}"
    found = [Part("startup", "startup", ("--rounds", rounds))]
    if texts:
        found.append(Part("ingest of text", "ingest", ("--rounds", rounds, *texts)))
    if pdfs:
        found.append(Part("ingest of PDF", "ingest", ("--rounds", rounds, *pdfs)))
    for size in sizes.chunks:
        data = str(work / f"store-{size}")
        arguments = ("--store", "edge", "--chunks", str(size), "--data", data, "--seconds", seconds, *paths)
        found.append(Part(curve_name(size), "search", arguments, repeats=sizes.rounds))
    levels = ",".join(map(str, LEVELS))
    load = (
        "--levels",
        levels,
        "--chunks",
        str(sizes.loaded_chunks),
        "--seconds",
        seconds,
        "--rounds",
        rounds,
    )
    found += [
        Part("callers", "concurrency", (*load, *paths)),
        Part("streaming", "streaming", ("--rounds", str(2 * sizes.rounds), "--tokens", str(sizes.tokens))),
        Part("memory", "footprint", ("--seconds", seconds, *(texts or pdfs)), repeats=sizes.rounds),
        Part("overhead", "gateway", ("overhead", "--rounds", rounds, "--seconds", seconds)),
    ]
    return found


def curve_name(size: int) -> str:
    """The part that measures a store of so many chunks."""
    return f"search at {size:,} chunks"
