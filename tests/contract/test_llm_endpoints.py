"""Every kind of endpoint docs/providers.md describes, by configuration alone, through the real SDKs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from libs.errors import DocuQueryError
from services.answer.providers.models import load_models
from services.answer.providers.protocol import Message, ProviderRequest, RenderedPrompt, TextDelta
from services.answer.providers.providers_file import load_providers
from services.answer.providers.registry import build_providers
from tests.contract.llm_server import End, Finish, Hang, LlmServer, Open, Status, Text

KEY = "key-0123456789"
ASK = ProviderRequest("What?", (), RenderedPrompt("Be brief.", (Message("user", "What?"),)))


@dataclass(frozen=True)
class Endpoint:
    """An entry of the file, and what must arrive at the server."""

    name: str
    entry: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    body: dict[str, Any] = field(default_factory=dict)
    adapter: str = "openai"


ENDPOINTS = (
    Endpoint(
        "openai",
        'model = "gpt-5.4-mini"\nbase_url = "URL/v1"\napi_key = "env:KEY"\n'
        'organization = "org-1"\nproject = "proj-1"',
        "/v1/chat/completions",
        {"authorization": f"Bearer {KEY}", "openai-organization": "org-1", "openai-project": "proj-1"},
        body={"model": "gpt-5.4-mini", "max_completion_tokens": 1024},
    ),
    Endpoint(
        "azure-deployment",
        'model = "my-gpt"\nbase_url = "URL/openai/deployments/my-gpt"\napi_key = "env:KEY"\n'
        'api_key_header = "api-key"\nquery = { api-version = "2024-10-21" }',
        "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21",
        {"api-key": KEY},
        ("authorization",),
        {"model": "my-gpt"},
    ),
    Endpoint(
        "azure-v1",
        'model = "my-gpt"\nbase_url = "URL/openai/v1/"\napi_key = "env:KEY"\napi_key_header = "api-key"',
        "/openai/v1/chat/completions",
        {"api-key": KEY},
        ("authorization",),
    ),
    Endpoint(
        "vllm",
        'model = "Qwen/Qwen3-8B"\nbase_url = "URL/v1"\n'
        "body = { chat_template_kwargs = { enable_thinking = false } }\nmax_tokens = 300",
        "/v1/chat/completions",
        absent=("authorization",),
        body={"chat_template_kwargs": {"enable_thinking": False}, "max_tokens": 300},
    ),
    Endpoint(
        "ollama",
        'model = "llama3.2:3b"\nbase_url = "URL/v1"\ntemperature = 0.2',
        "/v1/chat/completions",
        absent=("authorization",),
        body={"model": "llama3.2:3b", "temperature": 0.2},
    ),
    Endpoint(
        "lm-studio",
        'model = "qwen3-4b"\nbase_url = "URL/v1/"\nbody = { ttl = 300 }',
        "/v1/chat/completions",
        absent=("authorization",),
        body={"ttl": 300},
    ),
    Endpoint(
        "behind-a-gateway",
        'model = "m"\nbase_url = "URL/llm"\nheaders = { x-gateway-token = "env:KEY", x-team = "search" }',
        "/llm/chat/completions",
        {"x-gateway-token": KEY, "x-team": "search"},
        ("authorization",),
    ),
    Endpoint(
        "own-authorization",
        'model = "m"\nbase_url = "URL/llm"\nheaders = { authorization = "env:KEY" }',
        "/llm/chat/completions",
        {"authorization": KEY},
    ),
    Endpoint(
        "anthropic",
        'model = "claude-haiku-4-5"\nbase_url = "URL"\napi_key = "env:KEY"\nbody = { top_k = 5 }',
        "/v1/messages",
        {"authorization": f"Bearer {KEY}"},
        body={"model": "claude-haiku-4-5", "top_k": 5, "temperature": 0.0},
        adapter="anthropic",
    ),
    Endpoint(
        "anthropic-behind-a-gateway",
        'model = "claude-x"\nbase_url = "URL/proxy"\napi_key = "env:KEY"\napi_key_header = "x-api-key"',
        "/proxy/v1/messages",
        {"x-api-key": KEY},
        ("authorization",),
        adapter="anthropic",
    ),
)


@pytest.fixture
async def server() -> AsyncIterator[LlmServer]:
    async with LlmServer() as running:
        yield running


def configured(folder: Path, server: LlmServer, *entries: tuple[str, str, str]) -> Any:
    """The providers of a file with these (name, adapter, entry)."""
    file = folder / "providers.toml"
    text = "\n".join(f'[[provider]]\nname = "{n}"\nadapter = "{a}"\n{e}' for n, a, e in entries)
    file.write_text(text.replace("URL", f"http://127.0.0.1:{server.port}"))
    return build_providers(load_providers(file, {"KEY": KEY}.get).specs, load_models())


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.name)
async def test_configuration_alone_reaches_the_server(
    endpoint: Endpoint, server: LlmServer, tmp_path: Path
) -> None:
    stop = "stop" if endpoint.adapter == "openai" else "end_turn"
    server.play(Open(), Text("Ten."), Finish(stop), End())
    built = configured(tmp_path, server, (endpoint.name, endpoint.adapter, endpoint.entry))
    provider = built[endpoint.name]
    events = [event async for event in provider.stream(ASK, 5)]
    await provider.aclose()
    assert events[0] == TextDelta("Ten.")
    [received] = server.requests
    assert received.path == endpoint.path
    assert {name: received.headers.get(name) for name in endpoint.headers} == endpoint.headers
    assert [name for name in endpoint.absent if name in received.headers] == []
    assert {name: received.body.get(name) for name in endpoint.body} == endpoint.body
    assert "no-key" not in repr(received.headers)


async def test_an_endpoints_own_time_limit_is_the_shorter_one(server: LlmServer, tmp_path: Path) -> None:
    server.play(Open(), Hang())
    entry = 'model = "m"\nbase_url = "URL/v1"\ntimeout_seconds = 0.2'
    provider = configured(tmp_path, server, ("slow", "openai", entry))["slow"]
    with pytest.raises(DocuQueryError) as caught:
        _ = [event async for event in provider.stream(ASK, 60)]
    await provider.aclose()
    assert caught.value.reason_name == "PROVIDER_TIMEOUT"


async def test_a_secret_header_the_server_quotes_is_not_logged(server: LlmServer, tmp_path: Path) -> None:
    body = b'{"error": {"message": "token %s is not ours"}}' % KEY.encode()
    server.play(Status(403, body=body))
    entry = 'model = "m"\nbase_url = "URL/v1"\nheaders = { x-token = "env:KEY" }'
    provider = configured(tmp_path, server, ("proxied", "openai", entry))["proxied"]
    with structlog.testing.capture_logs() as logs, pytest.raises(DocuQueryError):
        _ = [event async for event in provider.stream(ASK, 5)]
    await provider.aclose()
    assert "is not ours" in repr(logs)
    assert KEY not in repr(logs)


async def test_a_prompt_the_server_quotes_is_not_logged(server: LlmServer, tmp_path: Path) -> None:
    private = "The salary of Ms Example is 71,000 euros."
    echoed = json.dumps({"detail": [{"loc": ["body", "x"], "msg": "bad x", "input": private}]}).encode()
    server.play(Status(422, body=echoed))
    provider = configured(tmp_path, server, ("p", "openai", 'model = "m"\nbase_url = "URL/v1"'))["p"]
    request = ProviderRequest("Who?", (), RenderedPrompt("Be brief.", (Message("user", private),)))
    with structlog.testing.capture_logs() as logs, pytest.raises(DocuQueryError):
        _ = [event async for event in provider.stream(request, 5)]
    await provider.aclose()
    assert "bad x" in repr(logs)
    assert "salary" not in repr(logs)
