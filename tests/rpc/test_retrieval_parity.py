"""The stores agree in quality: the same documents and questions find the same passages.

Scores differ a little: idf is counted per shard, on a server over all tenants, and fused scores with it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from tests.contract.store_targets import ENGINES, Targets
from tests.rpc.retrieval_support import Client, Draft, running

HANDBOOK = Path(__file__).parents[2] / "samples/handbook"
TOLERANCE = 0.02
"""Of the mean nDCG@10. With three shards the orders differ in places; the means by under 0.01."""


def handbook() -> tuple[list[Draft], dict[str, tuple[str, str]]]:
    """The Markdown and text files, a chunk a paragraph, and questions: heading → (source, its section)."""
    drafts, questions = [], {}
    for path in sorted([*HANDBOOK.glob("*.md"), *HANDBOOK.glob("*.txt")]):
        paragraphs = [part.strip() for part in path.read_text("utf-8").split("\n\n") if part.strip()]
        for heading, following in pairwise(paragraphs):
            if heading.startswith("##") and not following.startswith("#"):
                questions[heading.lstrip("# 0123456789.")] = (path.name, following)
        drafts.append(Draft(path.name, [part for part in paragraphs if not part.startswith("#")]))
    return drafts, questions


def ndcg_at_10(found: list[tuple[str, str]], relevant: tuple[str, str]) -> float:
    """1 for the right passage in the first place; a passage of the right document counts a third of it."""
    gains = [3.0 if item == relevant else 1.0 if item[0] == relevant[0] else 0.0 for item in found[:10]]
    best = [3.0] + [1.0] * 9
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains)) / sum(
        gain / math.log2(place + 2) for place, gain in enumerate(best)
    )


async def answers(client: Client) -> dict[str, list[tuple[str, str]]]:
    """Question → what is found, best first."""
    drafts, questions = handbook()
    for draft in drafts:
        await client.upload(draft)
    return {
        question: [(p.source, p.text) for p in await client.search(question, limit=20)]
        for question in questions
    }


async def test_the_same_questions_find_the_same_passages(targets: Targets, tmp_path: Path) -> None:
    """One server agrees with Edge in the best passage; a cluster of three shards does in quality."""
    _, questions = handbook()
    assert len(questions) >= 40
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for engine in ENGINES:
        async with targets.unshared(engine, tmp_path) as place:
            folder = place if engine == "edge" else tmp_path
            async with running(folder, **targets.settings(engine, place)) as client:
                found[engine] = await answers(client)

    quality = {
        engine: sum(ndcg_at_10(by_question[q], questions[q]) for q in questions) / len(questions)
        for engine, by_question in found.items()
    }
    assert quality["edge"] > 0.35
    for engine, least in (("server", 0.95), ("cluster", 0.8)):
        assert abs(quality[engine] - quality["edge"]) < TOLERANCE, quality
        same = [found[engine][q][0] == found["edge"][q][0] for q in questions]
        shared = [len(set(found[engine][q][:10]) & set(found["edge"][q][:10])) for q in questions]
        assert sum(same) >= least * len(same)
        assert sum(shared) >= least * 10 * len(shared)
