"""Tokens are estimated from bytes, and cost follows the price list."""

from dataclasses import replace

from services.answer.model import TokenUsage
from services.answer.providers.protocol import Capabilities, Message, RenderedPrompt
from services.answer.tokens import cost_micro_usd, estimate, estimate_usage, upper_estimate


def test_the_upper_estimate_is_never_below_the_estimate() -> None:
    for text in ("", "a", "hello world " * 50, "文書の質問応答" * 20, "🙂" * 9):
        assert upper_estimate(text) >= estimate(text)
    assert estimate("") == 0


def test_an_estimated_usage_says_so() -> None:
    usage = estimate_usage(RenderedPrompt("be brief", (Message("user", "why?"),)), "because")
    assert usage.estimated
    assert usage.prompt_tokens > usage.completion_tokens > 0


def test_cost_is_rounded_up_and_absent_when_a_price_is_unknown() -> None:
    priced = Capabilities(
        input_micro_usd_per_million_tokens=150_000, output_micro_usd_per_million_tokens=600_000
    )
    assert cost_micro_usd(TokenUsage(1000, 100), priced) == 210
    assert cost_micro_usd(TokenUsage(1, 0), priced) == 1
    assert cost_micro_usd(TokenUsage(1, 1), Capabilities()) is None


def test_what_went_through_the_providers_cache_has_its_own_price_where_one_is_known() -> None:
    plain = Capabilities(input_micro_usd_per_million_tokens=1_000_000, output_micro_usd_per_million_tokens=0)
    cached = replace(
        plain,
        cached_input_micro_usd_per_million_tokens=100_000,
        cache_write_micro_usd_per_million_tokens=1_250_000,
    )
    usage = TokenUsage(1000, 0, cached_prompt_tokens=500, cache_write_tokens=100)
    assert cost_micro_usd(usage, plain) == 1000
    assert cost_micro_usd(usage, cached) == 400 + 50 + 125
