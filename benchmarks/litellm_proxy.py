"""LiteLLM's proxy in front of the same models, for comparison: what one more hop costs there.

It is not a dependency: make a virtual environment, `pip install 'litellm[proxy]'`, and name its program in
the variable LITELLM.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from docuquery_client.ports import free_ports
from docuquery_client.processes import ManagedProcess

_START_SECONDS = 120.0
_CONFIG = """\
model_list:
  - model_name: zero
    litellm_params: {model: openai/zero, api_base: "http://127.0.0.1:%(port)d/v1", api_key: none}
  - model_name: down
    litellm_params: {model: openai/down, api_base: "http://127.0.0.1:%(port)d/down", api_key: none}
litellm_settings: {num_retries: 0, telemetry: false}
router_settings: {num_retries: 0, disable_cooldowns: true, fallbacks: [{down: [zero]}]}
"""
_QUESTION = {"role": "user", "content": "What is the hotel limit?"}
_BODY = {"stream": True, "messages": [_QUESTION]}
_ENVIRONMENT = {
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
}


@asynccontextmanager
async def litellm_proxy(models_port: int) -> AsyncIterator[str]:
    """A running proxy; the base URL of its API."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG % {"port": models_port})
        command = (os.environ["LITELLM"], "--config", str(config), "--host", "127.0.0.1", "--port", str(port))
        process = await ManagedProcess.start("litellm", command, os.environ | _ENVIRONMENT)
        try:
            url = f"http://127.0.0.1:{port}"
            async with httpx2.AsyncClient() as client, asyncio.timeout(_START_SECONDS):
                while not await _is_there(client, url):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.5)
            yield f"{url}/v1"
        finally:
            await process.stop(5)


async def _is_there(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health/liveliness")).status_code == 200
    except httpx2.TransportError:
        return False


async def completion(client: httpx2.AsyncClient, base_url: str, model: str = "zero") -> None:
    """One streamed answer, to its end; `down` is answered 500 and then by `zero`. Raises httpx2.HTTPError."""
    body = {"model": model, **_BODY}
    async with client.stream("POST", f"{base_url}/chat/completions", json=body, timeout=60) as response:
        response.raise_for_status()
        async for _ in response.aiter_bytes():
            pass
