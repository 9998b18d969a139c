"""One question from arrival to its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing

import pytest

from docuquery.answer.v1.answer_service_pb2 import GenerateRequest
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import DegradationKind
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_HYBRID, SEARCH_MODE_SPARSE, Passage
from docuquery.retrieval.v1.retrieval_service_pb2 import SearchRequest, SearchResponse
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway.answer_cache.cache import AnswerCache
from services.gateway.fallback.candidates import Candidate
from services.gateway.fallback.providers import ProviderDirectory
from services.gateway.model import (
    Finished,
    GenerationEvent,
    QueryEvent,
    QueryResult,
    Question,
    Retrieved,
    Standalone,
)
from services.gateway.query import QueryPolicy, QueryRunner
from services.gateway.rewrite import FollowUps
from services.gateway.search import Searcher
from tests.unit.services.gateway.support import (
    Bench,
    ScriptedGenerator,
    Step,
    answering,
    candidate,
    failing,
    no_model_was_asked,
)

OVERLOADED = failing(reasons.ERROR_REASON_PROVIDER_OVERLOADED)
PASSAGES = [Passage(chunk_id="c1", text="It is 42."), Passage(chunk_id="c2")]


class Services:
    """Retrieval and answer, scripted; a search takes two seconds, a rewrite one."""

    def __init__(self, clock: ManualClock, generator: ScriptedGenerator, offered: Sequence[str]) -> None:
        self.clock = clock
        self.scripted = generator
        self.offered = offered
        self.embedder_down = False
        self.is_self_contained = True
        self.list_fetches = 0
        self.searches: list[tuple[SearchRequest, float]] = []
        self.generations: list[GenerateRequest] = []

    async def list_providers(self) -> Sequence[Candidate]:
        self.list_fetches += 1
        return tuple(candidate(name) for name in self.offered)

    async def search(self, request: SearchRequest, timeout_seconds: float) -> SearchResponse:
        self.searches.append((request, timeout_seconds))
        self.clock.advance(2)
        if self.embedder_down and request.mode != SEARCH_MODE_SPARSE:
            raise DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "The embedder is down.")
        return SearchResponse(passages=PASSAGES, mode=request.mode)

    async def rewrite_question(
        self, conversation_id: str, question: str, provider: str, timeout_seconds: float
    ) -> Standalone:
        self.clock.advance(1)
        return Standalone(f"{question} (in full)", self.is_self_contained)

    def generate(
        self, request: GenerateRequest, timeout_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]:
        self.generations.append(request)
        return self.scripted(request.provider, timeout_seconds)


class QueryBench:
    def __init__(
        self,
        scripts: dict[str, list[list[Step]]],
        policy: QueryPolicy | None = None,
        *,
        offered: str = "",
        cache: AnswerCache | None = None,
    ) -> None:
        self.clock = ManualClock()
        bench = Bench(scripts, clock=self.clock)
        self.breakers = bench.breakers
        self.services = Services(self.clock, bench.generator, offered.split() or list(scripts))
        self.runner = QueryRunner(
            searcher=Searcher(self.services),
            follow_ups=FollowUps(self.services, bench.breakers),
            generator=self.services,
            directory=ProviderDirectory(self.services, bench.breakers, self.clock),
            ladder=bench.ladder,
            clock=self.clock,
            new_id=lambda: "query-1",
            policy=policy or QueryPolicy(),
            cache=cache,
        )

    async def events(
        self, question: Question, *, seconds: float = 60, whole: bool = False
    ) -> list[QueryEvent]:
        deadline = Deadline.after(seconds, self.clock)
        async with aclosing(self.runner.run(question, deadline, whole=whole)) as events:
            return [event async for event in events]

    async def result(self, question: Question, **options: float) -> QueryResult:
        events = await self.events(question, whole=True, **options)
        assert isinstance(events[-1], Finished)
        return events[-1].result


def question(**fields: object) -> Question:
    return Question(**{"text": "What is it?", "top_k": 5, "mode": SEARCH_MODE_HYBRID, **fields})  # type: ignore[arg-type]  # a test's shorthand


def kinds(result: QueryResult) -> list[str]:
    return [DegradationKind.Name(d.kind).removeprefix("DEGRADATION_KIND_") for d in result.degradations]


async def test_events_come_in_the_order_of_the_contract_with_one_end() -> None:
    events = await QueryBench({"a": [answering("a")]}).events(question())
    names = [type(event).__name__ for event in events]
    assert names == ["Retrieved", "Started", "TextDelta", "TextDelta", "Finished"]


async def test_a_whole_answer_has_no_text_events_and_asks_for_none() -> None:
    bench = QueryBench({"a": [answering("a")]})
    events = await bench.events(question(), whole=True)
    assert [type(event).__name__ for event in events] == ["Retrieved", "Finished"]
    assert not bench.services.generations[0].stream_text


async def test_the_result_says_what_happened() -> None:
    bench = QueryBench({"a": [answering("a")]})
    result = await bench.result(question())
    assert (result.query_id, result.standalone_question) == ("query-1", "What is it?")
    assert list(result.sources) == PASSAGES
    assert result.generation.answer == "42."
    assert result.degradations == ()
    assert [(attempt.provider, attempt.error_reason) for attempt in result.attempts] == [("a", 0)]
    assert (result.total_ms, result.retrieval_ms, result.generation_ms) == (2000, 2000, 0)
    assert result.time == bench.clock.now()


async def test_the_passages_of_a_query_are_reranked_unless_the_operator_leaves_it_to_retrieval() -> None:
    bench = QueryBench({"a": [answering("a")]})
    await bench.result(question())
    assert bench.services.searches[0][0].rerank
    bench = QueryBench({"a": [answering("a")]}, QueryPolicy(rerank=False))
    await bench.result(question())
    assert not bench.services.searches[0][0].HasField("rerank")


async def test_the_provider_gets_the_passages_the_search_brought() -> None:
    bench = QueryBench({"a": [answering("a")]})
    await bench.events(question(prompt_version="v1", conversation_id="c1"))
    request = bench.services.generations[0]
    assert list(request.passages) == PASSAGES
    assert (request.query_id, request.question, request.provider) == ("query-1", "What is it?", "a")
    assert (request.prompt_version, request.conversation_id, request.stream_text) == ("v1", "c1", True)


async def test_without_sources_the_passages_stay_here_but_are_still_answered_from() -> None:
    bench = QueryBench({"a": [answering("a")]})
    events = await bench.events(question(include_sources=False))
    assert events[0] == Retrieved("query-1", ())
    assert isinstance(events[-1], Finished)
    assert events[-1].result.sources == ()
    assert len(bench.services.generations[0].passages) == 2


async def test_retrieval_gets_at_most_a_third_of_the_time() -> None:
    bench = QueryBench({"a": [answering("a")]})
    await bench.events(question(), seconds=30)
    await bench.events(question(), seconds=600)
    assert [seconds for _, seconds in bench.services.searches] == [pytest.approx(10), pytest.approx(20)]


async def test_too_little_time_is_refused_before_any_work() -> None:
    bench = QueryBench({"a": [answering("a")]})
    with pytest.raises(DocuQueryError) as error:
        await bench.events(question(), seconds=0.04)
    assert error.value.reason_name == "DEADLINE_TOO_SHORT"
    assert bench.services.list_fetches == 0


async def test_a_follow_up_is_searched_for_in_its_full_form() -> None:
    bench = QueryBench({"a": [answering("a")]})
    result = await bench.result(question(conversation_id="c1"))
    assert result.standalone_question == "What is it? (in full)"
    assert bench.services.searches[0][0].query == "What is it? (in full)"
    request = bench.services.generations[0]
    assert (request.question, request.standalone_question) == ("What is it?", "What is it? (in full)")
    assert result.retrieval_ms == 3000


async def test_another_provider_than_the_first_choice_is_named() -> None:
    result = await QueryBench({"a": [[OVERLOADED]], "b": [answering("b")]}).result(question())
    assert kinds(result) == ["PROVIDER_FALLBACK"]
    assert result.degradations[0].detail == "b answered instead of a (a: PROVIDER_OVERLOADED)."


async def test_the_rung_below_is_named_too() -> None:
    scripts: dict[str, list[list[Step]]] = {"a": [[OVERLOADED]], "extractive": [answering("extractive")]}
    assert kinds(await QueryBench(scripts).result(question())) == ["PROVIDER_FALLBACK", "EXTRACTIVE_ONLY"]


async def test_without_the_fallback_setting_nobody_answers() -> None:
    scripts: dict[str, list[list[Step]]] = {"a": [[OVERLOADED]], "extractive": [answering("extractive")]}
    bench = QueryBench(scripts, QueryPolicy(extractive_fallback=False))
    with pytest.raises(DocuQueryError) as error:
        await bench.result(question())
    assert error.value.reason_name == "ALL_PROVIDERS_FAILED"


async def test_where_extractive_is_all_there_is_it_is_no_degradation() -> None:
    result = await QueryBench({"extractive": [answering("extractive")]}).result(question())
    assert result.degradations == ()


async def test_a_configured_provider_that_is_not_there_is_a_degradation() -> None:
    bench = QueryBench({"extractive": [answering("extractive")]}, QueryPolicy(provider_order=("openai",)))
    result = await bench.result(question())
    assert kinds(result) == ["PROVIDER_FALLBACK", "EXTRACTIVE_ONLY"]
    assert "openai: PROVIDER_NOT_CONFIGURED" in result.degradations[0].detail


async def test_the_caller_s_wish_is_no_degradation() -> None:
    bench = QueryBench({"a": [answering("a")], "b": [answering("b")]})
    result = await bench.result(question(provider="b"))
    assert (result.generation.provider, result.degradations) == ("b", ())


async def test_an_unknown_wish_is_refused_before_any_search() -> None:
    bench = QueryBench({"a": [answering("a")]})
    with pytest.raises(DocuQueryError) as error:
        await bench.events(question(provider="z"))
    assert error.value.reason_name == "PROVIDER_NOT_CONFIGURED"
    assert bench.services.searches == []


async def test_degradations_of_every_rung_add_up_in_order() -> None:
    bench = QueryBench({"a": [[OVERLOADED]], "b": [answering("b")]})
    bench.services.embedder_down = True
    assert kinds(await bench.result(question())) == ["SPARSE_ONLY", "PROVIDER_FALLBACK"]


async def test_no_evidence_names_no_provider_and_no_attempt() -> None:
    bench = QueryBench({"a": [[OVERLOADED], [no_model_was_asked()]], "b": [[no_model_was_asked()]]})
    result = await bench.result(question())
    assert result.degradations == ()
    assert [attempt.provider for attempt in result.attempts] == ["a"]


async def test_a_query_that_fails_has_shown_nothing() -> None:
    bench = QueryBench({"a": [[OVERLOADED]]})
    seen = []
    with pytest.raises(DocuQueryError):
        async for event in bench.runner.run(question(), Deadline.after(60, bench.clock), whole=False):
            seen.append(event)
    assert seen == []


async def test_the_provider_list_is_looked_at_anew_when_it_turns_out_wrong() -> None:
    gone = DocuQueryError(reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED, "Gone.")
    bench = QueryBench({"a": [[gone]], "b": [answering("b")]})
    await bench.result(question())
    bench.services.offered = ["b"]
    result = await bench.result(question())
    assert bench.services.list_fetches == 2
    assert [attempt.provider for attempt in result.attempts] == ["b"]
