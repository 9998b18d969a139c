"""Both adapters against an independent implementation of their wire formats: LiteLLM's proxy.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install 'litellm[proxy]'
    .venv/bin/python -m tests.peers.litellm_smoke --litellm /tmp/peer/bin/litellm

Not a test of pytest's: the proxy wants an environment of its own, and half a minute to start. Its answers are
mocks, so no key is needed. It streams mocks only in OpenAI's format; models named `relayed` go through it
twice, which makes it write Anthropic's. Exits with 1 when a reply is not what it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.errors import DocuQueryError
from libs.logging import configure_logging
from services.answer.providers.models import load_models
from services.answer.providers.protocol import (
    Finished,
    FinishReason,
    Message,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from services.answer.providers.registry import HttpProvider, build_providers
from services.answer.providers.spec import Endpoint, ProviderSpec

SAID = "The mascot of the firm is a heron [1]."
KEY = "sk-peer-0123456789"
START_SECONDS = 120

CONFIG = """
model_list:
  - {{model_name: good, litellm_params: {{model: openai/gpt-4o, api_key: x, mock_response: "{said}"}}}}
  - {{model_name: limited, litellm_params: {{model: openai/gpt-4o, api_key: x, mock_response: litellm.RateLimitError}}}}
  - {{model_name: long, litellm_params: {{model: openai/gpt-4o, api_key: x, mock_response: litellm.ContextWindowExceededError}}}}
  - {{model_name: broken, litellm_params: {{model: openai/gpt-4o, api_key: x, mock_response: litellm.InternalServerError}}}}
  - {{model_name: relayed, litellm_params: {{model: hosted_vllm/good, api_base: "{url}/v1", api_key: {key}}}}}
  - {{model_name: relayed-limited, litellm_params: {{model: hosted_vllm/limited, api_base: "{url}/v1", api_key: {key}}}}}
  - {{model_name: relayed-broken, litellm_params: {{model: hosted_vllm/broken, api_base: "{url}/v1", api_key: {key}}}}}
general_settings: {{master_key: {key}}}
litellm_settings: {{num_retries: 0}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
"""  # noqa: E501 - a line a model


@dataclass(frozen=True)
class Case:
    """A model of the proxy, and what its reply must be."""

    adapter: str
    model: str
    expected: str
    """`OK`, or the reason of an error."""


# The proxy says `context window exceeded` in words alone, and words are not read.
CASES = (
    Case("openai", "good", "OK"),
    Case("openai", "limited", "PROVIDER_RATE_LIMITED"),
    Case("openai", "long", "PROVIDER_REJECTED_REQUEST"),
    Case("openai", "broken", "PROVIDER_INTERNAL"),
    Case("openai", "no-such-model", "PROVIDER_REJECTED_REQUEST"),
    Case("anthropic", "relayed", "OK"),
    Case("anthropic", "relayed-limited", "PROVIDER_RATE_LIMITED"),
    Case("anthropic", "relayed-broken", "PROVIDER_INTERNAL"),
    Case("anthropic", "long", "PROVIDER_REJECTED_REQUEST"),
    Case("anthropic", "no-such-model", "PROVIDER_REJECTED_REQUEST"),
    # A mock in Anthropic's format comes as one JSON document although a stream was asked for.
    Case("anthropic", "good", "PROVIDER_BAD_RESPONSE"),
)


@asynccontextmanager
async def proxy(program: str) -> AsyncIterator[str]:
    """A running proxy; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(said=SAID, url=url, key=KEY))
        command = (program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port))
        with (Path(folder) / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=folder)
        try:
            await _until_alive(f"{url}/health/liveliness", process)
            yield url
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def _until_alive(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            try:
                await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=2).close())
            except OSError:
                await asyncio.sleep(0.5)
            else:
                return
    raise SystemExit("The proxy did not start.")


async def outcome(provider: HttpProvider) -> tuple[str, str]:
    """(`OK` or a reason, what to show)."""
    prompt = RenderedPrompt("Be brief.", (Message("user", "What is the mascot?"),))
    pieces: list[str] = []
    try:
        async for event in provider.stream(ProviderRequest("?", (), prompt), 30):
            if isinstance(event, TextDelta):
                pieces.append(event.text)
            elif isinstance(event, Finished):
                whole = "".join(pieces) == SAID and event.reason is FinishReason.STOP
                usage = f"{event.usage.prompt_tokens} tokens" if event.usage else "no usage reported"
                return "OK" if whole else "WRONG", f"{len(pieces)} pieces, {usage}"
    except DocuQueryError as error:
        return error.reason_name, f"HTTP {error.metadata.get('http_status', '-')}"
    return "WRONG", "no terminal event"


async def run(program: str) -> int:
    """Asks every model; returns the exit code."""
    wrong = 0
    async with proxy(program) as url:
        for case in CASES:
            base = f"{url}/v1" if case.adapter == "openai" else url
            spec = ProviderSpec("peer", case.adapter, case.model, Endpoint(KEY, base))
            provider = build_providers([spec], load_models())["peer"]
            found, shown = await outcome(provider)
            await provider.aclose()
            wrong += found != case.expected
            mark = "ok   " if found == case.expected else "WRONG"
            print(f"{mark} {case.adapter:9} {case.model:16} {found:26} {shown}")
    return 1 if wrong else 0


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--litellm", required=True, help="the proxy's program")
    configure_logging("ERROR", "console", "peer")
    sys.exit(asyncio.run(run(parser.parse_args().litellm)))


if __name__ == "__main__":
    main()
