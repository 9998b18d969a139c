"""Estimates of tokens and prices, for budgets and for providers that report none.

A token of the usual byte-pair vocabularies is about 4 bytes of English and 3 of Chinese or Japanese in
UTF-8; counting bytes covers both.
"""

from __future__ import annotations

import math

from libs.text import utf8_length
from services.answer.model import TokenUsage
from services.answer.providers.protocol import Capabilities, RenderedPrompt

_BYTES_PER_TOKEN = 4
_BYTES_PER_TOKEN_AT_LEAST = 3
# Role markers and separators around a message.
_TOKENS_PER_MESSAGE = 6


def estimate(text: str) -> int:
    """About how many tokens `text` has; 0 for an empty one."""
    return math.ceil(utf8_length(text) / _BYTES_PER_TOKEN)


def upper_estimate(text: str) -> int:
    """More tokens than `text` is likely to have: for what must fit."""
    return math.ceil(utf8_length(text) / _BYTES_PER_TOKEN_AT_LEAST)


def estimate_usage(prompt: RenderedPrompt, answer: str) -> TokenUsage:
    """Usage of a generation whose provider reported none, marked as estimated."""
    asked = sum(estimate(text) + _TOKENS_PER_MESSAGE for text in prompt.texts)
    return TokenUsage(asked, estimate(answer), estimated=True)


def cost_micro_usd(usage: TokenUsage, capabilities: Capabilities) -> int | None:
    """Cost in millionths of a US dollar, rounded up; None when a price is not known.

    What has no price of its own for the cache counts at the full one, so the cost is never too low by it.
    """
    price_in = capabilities.input_micro_usd_per_million_tokens
    price_out = capabilities.output_micro_usd_per_million_tokens
    if price_in is None or price_out is None:
        return None
    read, written = usage.cached_prompt_tokens, usage.cache_write_tokens
    total = (
        max(0, usage.prompt_tokens - read - written) * price_in
        + read * _or(capabilities.cached_input_micro_usd_per_million_tokens, price_in)
        + written * _or(capabilities.cache_write_micro_usd_per_million_tokens, price_in)
        + usage.completion_tokens * price_out
    )
    return -(-total // 1_000_000)


def _or(price: int | None, other: int) -> int:
    return other if price is None else price
