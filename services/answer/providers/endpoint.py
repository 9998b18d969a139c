"""How the SDKs' HTTP clients reach an endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from services.answer.providers.spec import Endpoint

NO_KEY = "no-key"
"""What the SDKs are given where there is no key, because they insist on one. It is never sent."""

_SDK_AUTH_HEADERS = ("authorization", "x-api-key")


def client_settings(endpoint: Endpoint, default_base_url: str) -> dict[str, Any]:
    """Arguments that the clients of both SDKs have in common."""
    return {
        "api_key": endpoint.api_key or NO_KEY,
        "base_url": endpoint.base_url or default_base_url,
        "default_headers": dict(endpoint.headers),
        "default_query": dict(endpoint.query),
        "max_retries": 0,  # the gateway decides on attempts; retries here would multiply them
    }


def http_settings(endpoint: Endpoint) -> dict[str, Any]:
    """Arguments of the HTTP client below an SDK's."""
    # A redirect would carry the prompt and perhaps the key to another host.
    settings: dict[str, Any] = {"follow_redirects": False}
    if not endpoint.api_key or endpoint.api_key_header:
        settings["event_hooks"] = {"request": [_authorize(endpoint)]}
    return settings


def timeout(endpoint: Endpoint, seconds: float) -> httpx2.Timeout:
    """The limits of one request that may take `seconds`."""
    return httpx2.Timeout(seconds, connect=min(endpoint.connect_seconds, seconds))


def _authorize(endpoint: Endpoint) -> Callable[[httpx2.Request], Awaitable[None]]:
    """Puts the key where the server looks for it, and nothing where there is no key."""
    configured = {name.lower() for name in endpoint.headers}
    unwanted = [name for name in _SDK_AUTH_HEADERS if name not in configured]

    async def authorize(request: httpx2.Request) -> None:
        for name in unwanted:
            request.headers.pop(name, None)
        if endpoint.api_key:
            request.headers[endpoint.api_key_header] = endpoint.api_key

    return authorize
