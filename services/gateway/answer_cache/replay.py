"""An answer that was given before, as the events of a new query."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from docuquery.common.v1.answer_pb2 import DEGRADATION_KIND_CACHE_HIT
from services.gateway.answer_cache.cache import Cached
from services.gateway.model import (
    CacheHit,
    CitationFound,
    Degraded,
    Finished,
    QueryEvent,
    QueryResult,
    Question,
    Retrieved,
    Standalone,
    Started,
    TextDelta,
)


def replayed(
    cached: Cached,
    question: Question,
    standalone: Standalone,
    query_id: str,
    time: datetime,
    took_ms: float,
    *,
    whole: bool,
) -> Iterator[QueryEvent]:
    """Retrieved, with `whole` false what a provider would have streamed, and one Finished.

    `took_ms` from the request's arrival; no provider was asked, so there are no attempts.
    """
    sources = cached.sources if question.include_sources else ()
    yield Retrieved(query_id, sources)
    if not whole:
        yield Started(cached.generation.provider, cached.generation.model)
        yield TextDelta(cached.generation.answer)
        yield from map(CitationFound, cached.generation.citations)
    rewriting = [standalone.degraded] if standalone.degraded else []
    yield Finished(
        QueryResult(
            query_id=query_id,
            question=question,
            standalone_question=standalone.text,
            sources=sources,
            generation=cached.generation,
            degradations=(*rewriting, _degraded(cached.hit)),
            attempts=(),
            time=time,
            total_ms=took_ms,
            retrieval_ms=took_ms,
            generation_ms=0.0,
            first_text_ms=None if whole else took_ms,
            cache_hit=cached.hit,
        )
    )


def _degraded(hit: CacheHit) -> Degraded:
    words = "the same words" if hit.similarity == 1 else "nearly the same words"
    return Degraded(
        DEGRADATION_KIND_CACHE_HIT,
        f"This answer was given {hit.age_seconds:.0f} s ago to a question in {words}; the documents have not "
        "changed since.",
    )
