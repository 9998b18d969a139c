"""Every model a judge may be, through the real SDKs, against a server that misbehaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from docuquery_client.evaluation.answer_metrics import Asked, Quote
from docuquery_client.evaluation.judge.judging import Judgements, Model, ModelError, judge_all, summary
from docuquery_client.evaluation.judge.models import JudgeConfigurationError, judge_model
from tests.contract.llm_server import Drop, End, Finish, LlmServer, Open, Raw, Status, Step, Text

KEY = "sk-secret-0123456789"
AT_ONCE = {"retry-after-ms": "1"}


@dataclass(frozen=True)
class Judge:
    provider: str
    path: str
    """Below the server's address, where its base is."""
    stop: str

    def reply(self, text: str) -> tuple[Step, ...]:
        return (Open(), Text(text[:9]), Text(text[9:]), Finish(self.stop), End())


JUDGES = (Judge("openai", "/v1", "stop"), Judge("anthropic", "", "end_turn"))


@pytest.fixture(params=JUDGES, ids=lambda judge: judge.provider)
def judge(request: pytest.FixtureRequest) -> Judge:
    chosen: Judge = request.param
    return chosen


@pytest.fixture
async def server() -> AsyncIterator[LlmServer]:
    async with LlmServer() as running:
        yield running


@pytest.fixture
async def model(judge: Judge, server: LlmServer) -> AsyncIterator[Model]:
    environment = {
        "DOCUQUERY_JUDGE_API_KEY": KEY,
        "DOCUQUERY_JUDGE_BASE_URL": f"http://127.0.0.1:{server.port}{judge.path}",
    }
    built = judge_model(f"{judge.provider}:m-1", environment)
    yield built
    await built.aclose()


ASKED = {
    "right": Asked(("a.txt",), ("ten",), (Quote("a.txt", "At ten."),), "At ten.", outcome="ANSWERED"),
    "wrong": Asked(("a.txt",), ("ten",), (Quote("a.txt", "At ten."),), "At nine.", outcome="PARTIAL"),
    "refused": Asked(("a.txt",), ("ten",), outcome="LOW_EVIDENCE"),
}
QUESTIONS = dict.fromkeys(ASKED, "When?")


async def judged(model: Model) -> Judgements:
    return await judge_all(model, ASKED, QUESTIONS, concurrency=1, on_finished=lambda: None)


def verdict(quality: int, faithfulness: int) -> str:
    return json.dumps({"quality": quality, "faithfulness": faithfulness})


async def test_every_answer_is_judged_and_no_refusal(judge: Judge, model: Model, server: LlmServer) -> None:
    server.play_in_turn(judge.reply(verdict(5, 4)), judge.reply(verdict(1, 5)))
    judgements = await judged(model)
    assert judgements.scores("right") == {"judge_quality": (1.0, 1.0), "judge_faithfulness": (0.75, 1.0)}
    assert judgements.scores("wrong") == {"judge_quality": (0.0, 1.0), "judge_faithfulness": (1.0, 1.0)}
    assert judgements.scores("refused") == {}
    assert len(server.requests) == 2
    sent = json.dumps(server.requests[0].body)
    assert "m-1" in sent
    assert r"\"accepted_answers\": [\"ten\"]" in sent
    written = summary(model, judgements, ASKED)
    assert (written.model, written.judged) == (f"{judge.provider}:m-1", 2)
    # It agrees on what is right; on support it takes for good what the server calls PARTIAL.
    assert (written.quality.share, written.quality.kappa) == (1.0, 1.0)
    assert (written.faithfulness.share, written.faithfulness.kappa) == (0.5, 0.0)


async def test_a_passing_failure_is_tried_again(judge: Judge, model: Model, server: LlmServer) -> None:
    server.play_in_turn((Status(503, headers=AT_ONCE),), judge.reply(verdict(5, 5)))
    assert await model.complete("system", "user") == verdict(5, 5)
    assert len(server.requests) == 2


async def test_a_reply_that_is_no_verdict_counts_and_the_rest_is_judged(
    judge: Judge, model: Model, server: LlmServer
) -> None:
    server.play_in_turn(judge.reply("I like both answers."), judge.reply(verdict(2, 2)))
    judgements = await judged(model)
    assert (list(judgements.verdicts), judgements.unreadable) == (["wrong"], 1)
    assert summary(model, judgements, ASKED).unreadable == 1


async def test_a_wrong_key_ends_the_judging_and_is_not_shown(
    judge: Judge, model: Model, server: LlmServer
) -> None:
    server.play(Status(401, body=b'{"error": {"message": "bad key %s", "type": "x"}}' % KEY.encode()))
    judgements = await judged(model)
    assert (judgements.verdicts, dict(judgements.failed)) == ({}, {"HTTP 401": 1})
    assert len(server.requests) == 1


async def test_a_refused_call_is_counted_and_the_next_is_made(
    judge: Judge, model: Model, server: LlmServer
) -> None:
    server.play_in_turn((Status(422),), judge.reply(verdict(2, 2)))
    judgements = await judged(model)
    assert (list(judgements.verdicts), dict(judgements.failed)) == (["wrong"], {"HTTP 422": 1})


@pytest.mark.parametrize(
    "steps", [(Drop(),), (Raw(b"event: x\ndata: {broken\n\n"), End())], ids=["cut off", "garbled"]
)
async def test_a_broken_stream_is_a_failure_of_the_model(
    judge: Judge, model: Model, server: LlmServer, steps: tuple[Step, ...]
) -> None:
    server.play(Open(), Text('{"quality"'), *steps)
    with pytest.raises(ModelError) as caught:
        await model.complete("system", "user")
    assert not caught.value.will_recur


async def test_a_redirect_is_not_followed(model: Model, server: LlmServer) -> None:
    server.play(Status(307, headers={"location": f"http://127.0.0.1:{server.port}/elsewhere"}))
    with pytest.raises(ModelError, match="HTTP 307"):
        await model.complete("system", "user")
    assert len(server.requests) == 1


def test_a_key_never_goes_to_a_server_it_is_not_meant_for() -> None:
    """The judge's own variables and the provider's are pairs: one of each is none of both."""
    with pytest.raises(JudgeConfigurationError, match="needs a key or an address"):
        judge_model("openai:m", {"ANTHROPIC_API_KEY": KEY})


async def test_the_providers_own_key_does_where_the_judge_has_none(judge: Judge, server: LlmServer) -> None:
    server.play(*judge.reply(verdict(5, 5)))
    name = judge.provider.upper()
    base = f"http://127.0.0.1:{server.port}{judge.path}"
    model = judge_model(f"{judge.provider}:m", {f"{name}_API_KEY": KEY, f"{name}_BASE_URL": base})
    await model.complete("system", "user")
    own = {"DOCUQUERY_JUDGE_BASE_URL": base}
    other = judge_model(f"{judge.provider}:m", {f"{name}_API_KEY": KEY, **own})
    await other.complete("system", "user")
    await model.aclose()
    await other.aclose()
    first, second = (json.dumps(request.headers) for request in server.requests)
    assert KEY in first
    assert KEY not in second


@pytest.mark.parametrize("name", ["gpt", "openai:", "google:m"])
def test_a_judge_is_a_provider_and_a_model(name: str) -> None:
    with pytest.raises(JudgeConfigurationError, match="must be openai:MODEL or anthropic:MODEL"):
        judge_model(name, {"OPENAI_API_KEY": KEY})
