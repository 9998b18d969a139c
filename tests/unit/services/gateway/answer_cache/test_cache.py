"""A question asked before is answered from what was said then, if that was good; else as without a cache."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from docuquery.answer.v1.answer_service_pb2 import AppendTurnRequest, GenerationCompleted
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import (
    DEGRADATION_KIND_CONTEXT_TRUNCATED,
    FINISH_REASON_CONTENT_FILTERED,
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    OUTCOME_ANSWERED,
    OUTCOME_LOW_EVIDENCE,
    OUTCOME_NO_EVIDENCE,
    OUTCOME_PARTIAL,
    Citation,
    Degradation,
    Usage,
)
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from libs.errors import DocuQueryError
from services.gateway.answer_cache.cache import AnswerCache
from services.gateway.model import CacheHit, Completed, QueryResult, Retrieved, Started, TextDelta
from tests.unit.services.gateway.support import Step, failing
from tests.unit.services.gateway.test_query import PASSAGES, QueryBench, kinds, question

DOWN = DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "Down.")


class KeptAnswers:
    """The kept answers of retrieval and the turns of answer, in a dictionary and a list."""

    def __init__(self) -> None:
        self.revision = "r1"
        self.answers: dict[tuple[str, bytes, str], retrieval.StoreAnswerRequest] = {}
        self.turns: list[AppendTurnRequest] = []
        self.lookups = 0
        self.failing: set[str] = set()

    async def lookup_answer(
        self, request: retrieval.LookupAnswerRequest, timeout_seconds: float
    ) -> retrieval.LookupAnswerResponse:
        self.lookups += 1
        self._fail("look up")
        response = retrieval.LookupAnswerResponse(corpus_revision=self.revision)
        kept = self.answers.get((request.question, request.key, self.revision))
        if kept is not None:
            response.answer.sources.extend(kept.sources)
            response.answer.generation = kept.generation
            response.answer.question = kept.question
            response.answer.similarity = 1.0
            response.answer.age_seconds = 12.0
        return response

    async def store_answer(
        self, request: retrieval.StoreAnswerRequest, timeout_seconds: float
    ) -> retrieval.StoreAnswerResponse:
        self._fail("store")
        self.answers[request.question, request.key, request.corpus_revision] = request
        return retrieval.StoreAnswerResponse(stored=True)

    async def append_turn(self, request: AppendTurnRequest, timeout_seconds: float) -> None:
        self._fail("append")
        self.turns.append(request)

    def _fail(self, step: str) -> None:
        if step in self.failing:
            raise DOWN


def generation(**fields: object) -> GenerationCompleted:
    values = {
        "answer": "It is 42.",
        "citations": [Citation(source_number=1, quote="It is 42")],
        "outcome": OUTCOME_ANSWERED,
        "finish_reason": FINISH_REASON_STOP,
        "usage": Usage(prompt_tokens=100, completion_tokens=10, cost_micro_usd=7),
        "provider": "a",
        "model": "a-model",
    }
    return GenerationCompleted(**{**values, **fields})  # type: ignore[arg-type]  # each test's own fields


def script(**fields: object) -> list[Step]:
    return [Started("a", "a-model"), TextDelta("It is 42."), Completed(generation(**fields))]


class Bench(QueryBench):
    def __init__(self, scripts: dict[str, list[list[Step]]] | None = None) -> None:
        self.kept = KeptAnswers()
        super().__init__(scripts or {"a": [script()]}, cache=AnswerCache(self.kept, self.kept))

    @property
    def asked(self) -> list[str]:
        """Providers that were asked."""
        return [request.provider for request in self.services.generations]


async def test_the_second_time_nobody_is_asked_and_nothing_is_searched() -> None:
    bench = Bench()
    first = await bench.result(question())
    assert first.cache_hit is None
    second = await bench.result(question())
    assert len(bench.asked) == len(bench.services.searches) == 1
    assert second.generation.answer == first.generation.answer
    assert list(second.generation.citations) == list(first.generation.citations)
    assert list(second.sources) == PASSAGES
    assert second.cache_hit == CacheHit("What is it?", 1.0, 12.0)
    assert kinds(second) == ["CACHE_HIT"]
    assert (second.attempts, second.generation_ms) == ((), 0)
    usage = second.generation.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cost_micro_usd) == (0, 0, 0)
    assert usage.HasField("cost_micro_usd")
    assert (second.generation.provider, second.generation.model) == ("a", "a-model")


async def test_a_streamed_hit_has_the_events_of_the_contract_in_their_order() -> None:
    bench = Bench()
    await bench.events(question())
    events = await bench.events(question())
    names = [type(event).__name__ for event in events]
    assert names == ["Retrieved", "Started", "TextDelta", "CitationFound", "Finished"]
    assert events[0] == Retrieved("query-1", tuple(PASSAGES))
    assert events[2] == TextDelta("It is 42.")
    whole = await bench.events(question(), whole=True)
    assert [type(event).__name__ for event in whole] == ["Retrieved", "Finished"]


async def test_sources_are_kept_even_if_the_first_caller_did_not_want_them() -> None:
    bench = Bench()
    await bench.result(question(include_sources=False))
    assert list((await bench.result(question())).sources) == PASSAGES
    assert (await bench.result(question(include_sources=False))).sources == ()
    assert len(bench.asked) == 1


async def test_another_request_or_another_state_of_the_documents_is_answered_anew() -> None:
    bench = Bench()
    for changes in ({}, {"top_k": 3}, {"prompt_version": "v1"}, {"text": "What was it?"}):
        await bench.result(question(**changes))
    assert len(bench.asked) == 4
    bench.kept.revision = "r2"
    await bench.result(question())
    assert len(bench.asked) == 5


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": OUTCOME_PARTIAL},
        {"outcome": OUTCOME_LOW_EVIDENCE},
        {"outcome": OUTCOME_NO_EVIDENCE, "provider": ""},
        {"finish_reason": FINISH_REASON_LENGTH},
        {"finish_reason": FINISH_REASON_CONTENT_FILTERED},
        {"degradations": [Degradation(kind=DEGRADATION_KIND_CONTEXT_TRUNCATED)]},
        {"history_turn_count": 1},
    ],
    ids=str,
)
async def test_an_answer_that_is_not_whole_supported_and_free_standing_is_not_kept(
    fields: dict[str, object],
) -> None:
    bench = Bench({"a": [script(**fields)]})
    await bench.result(question())
    assert bench.kept.answers == {}


async def test_an_answer_made_less_well_than_configured_is_not_kept() -> None:
    down: list[Step] = [failing(reasons.ERROR_REASON_PROVIDER_OVERLOADED)]
    bench = Bench({"a": [down], "b": [script(provider="b")]})
    assert kinds(await bench.result(question())) == ["PROVIDER_FALLBACK"]
    assert bench.kept.answers == {}
    bench = Bench()
    bench.services.embedder_down = True
    assert kinds(await bench.result(question())) == ["SPARSE_ONLY"]
    assert bench.kept.answers == {}


async def test_a_stream_that_breaks_is_not_kept() -> None:
    broken = failing(reasons.ERROR_REASON_PROVIDER_OVERLOADED, phase="MID_STREAM")
    bench = Bench({"a": [[Started("a", "m"), TextDelta("It is"), broken]]})
    with pytest.raises(DocuQueryError):
        await bench.events(question())
    assert bench.kept.answers == {}


async def test_who_wants_no_cache_gets_none() -> None:
    bench = Bench()
    await bench.result(question(no_cache=True))
    assert (bench.kept.lookups, bench.kept.answers) == (0, {})
    await bench.result(question())
    await bench.result(question(no_cache=True))
    assert len(bench.asked) == 3


async def test_a_hit_in_a_conversation_joins_it_as_a_turn() -> None:
    """The self-contained form is what is looked up, the question as asked is what is kept of the turn."""
    bench = Bench()
    await bench.result(question(text="What is it? (in full)"))
    result = await bench.result(question(conversation_id="c1"))
    assert result.cache_hit is not None
    assert result.standalone_question == "What is it? (in full)"
    [turn] = bench.kept.turns
    assert (turn.conversation_id, turn.query_id, turn.question) == ("c1", "query-1", "What is it?")
    assert (turn.answer, turn.outcome) == ("It is 42.", OUTCOME_ANSWERED)
    await bench.result(question(text="What is it? (in full)"))
    assert len(bench.kept.turns) == 1, "no conversation, no turn"


async def test_a_follow_up_that_needs_its_conversation_is_neither_looked_up_nor_kept() -> None:
    bench = Bench()
    bench.services.is_self_contained = False
    await bench.result(question(conversation_id="c1"))
    assert (bench.kept.lookups, bench.kept.answers) == (0, {})


async def test_when_its_turn_cannot_be_kept_the_question_is_answered_anew() -> None:
    bench = Bench()
    await bench.result(question(text="What is it? (in full)"))
    bench.kept.failing = {"append"}
    result = await bench.result(question(conversation_id="c1"))
    assert result.cache_hit is None
    assert bench.services.generations[-1].conversation_id == "c1"


async def test_a_cache_that_fails_costs_nobody_an_answer() -> None:
    bench = Bench()
    for step in ("look up", "store"):
        bench.kept.failing = {step}
        result = await bench.result(question())
        assert (result.cache_hit, kinds(result)) == (None, [])
    assert bench.kept.answers == {}
    bench.kept.failing = set()
    bench.kept.revision = ""  # as retrieval says when it keeps none
    await bench.result(question())
    assert bench.kept.answers == {}


async def test_no_question_or_answer_gets_into_the_log() -> None:
    with capture_logs() as lines:
        bench = Bench()
        await bench.result(question(text="The secret question?"))
        hit: QueryResult = await bench.result(question(text="The secret question?"))
        bench.kept.failing = {"look up", "store"}
        await bench.result(question(text="The secret question?"))
    assert hit.cache_hit is not None
    assert [line["cached"] for line in lines if line["event"] == "query_answered"] == [False, True, False]
    assert "secret" not in str(lines)
    assert "42" not in str(lines)
