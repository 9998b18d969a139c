"""An embeddings server that misbehaves on request: OpenAI's format, over real sockets.

Unless a test scripts otherwise, it answers with the vectors of the local model, so that what passes the
embedders' suite with that model passes it through this server.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.retrieval.embedders.local import LocalEmbedder

Vectors = NDArray[np.float32]


@cache
def local_model() -> LocalEmbedder:
    """The model in this package, read once."""
    return LocalEmbedder.load()


@dataclass(frozen=True)
class Status:
    """An HTTP error."""

    status: int
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Body:
    """A reply with this body, whatever was asked."""

    body: bytes


@dataclass(frozen=True)
class Changed:
    """The usual reply, its list of items (`index`, `embedding`: a list of floats) changed."""

    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Slow:
    """The usual reply, after so many seconds."""

    seconds: float


class Hang:
    """No reply, until the client goes away."""


class Drop:
    """The connection closed instead of a reply."""


class Answer:
    """The usual reply."""


Step = Status | Body | Changed | Slow | Hang | Drop | Answer


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        texts: list[str] = self.body["input"]
        return texts


class EmbeddingsServer:
    """Answers requests with the scripted steps in turn, and by itself when there are none left."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.max_texts = 2048
        """More in one request are refused with 413."""
        self.takes_base64 = True
        """Whether `encoding_format` may be `base64`; else it is refused with 400, by name."""
        self.under_way = self.most_under_way = 0
        self.asked = asyncio.Event()
        """Set when the first request has come."""
        self.client_gone = asyncio.Event()
        """Set when a client closed its connection while its reply hung."""
        self._model = local_model()
        self._steps: deque[Step] = deque()
        self._lasting: Step = Answer()
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> EmbeddingsServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[str]:
        """All texts of all requests, in order."""
        return [text for request in self.requests for text in request.texts]

    def play(self, *steps: Step, then: Step | None = None) -> None:
        """The next replies; `then` is every later one (default: the usual)."""
        self._steps = deque(steps)
        self._lasting = then or Answer()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if task := asyncio.current_task():
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)
        try:
            while await self._reply(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client closed
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        _, *lines = head.split("\r\n")
        headers = {
            k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)
        }
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        request = Received(headers, body)
        self.requests.append(request)
        self.asked.set()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._play(self._next(request), request, reader, writer)
        finally:
            self.under_way -= 1

    def _next(self, request: Received) -> Step:
        if len(request.texts) > self.max_texts:
            return Status(413)
        if not self.takes_base64 and request.body.get("encoding_format") == "base64":
            return Status(400, param="encoding_format")
        return self._steps.popleft() if self._steps else self._lasting

    async def _play(
        self, step: Step, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        match step:
            case Drop():
                writer.transport.abort()
                return False
            case Hang():
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                self.client_gone.set()
                return False
            case Status():
                error = {
                    "type": "t",
                    "code": step.code,
                    "param": step.param,
                    "message": "server text, not for the public",
                }
                await _send(writer, step.status, json.dumps({"error": error}).encode(), step.headers)
            case Body():
                await _send(writer, 200, step.body)
            case Slow():
                await asyncio.sleep(step.seconds)
                await self._answer(request, writer, None)
            case Changed():
                await self._answer(request, writer, step.change)
            case Answer():
                await self._answer(request, writer, None)
        return True

    async def _answer(
        self,
        request: Received,
        writer: asyncio.StreamWriter,
        change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] | None,
    ) -> None:
        vectors = 3.0 * await self._model.embed_passages(request.texts)  # not normalised, as some servers'
        vectors = vectors[:, : request.body.get("dimensions", vectors.shape[1])]
        items = [{"index": i, "embedding": vector.tolist()} for i, vector in enumerate(vectors)]
        if change is not None:
            items = change(items)
        elif request.body.get("encoding_format") == "base64":
            items = [{**item, "embedding": _base64(item["embedding"])} for item in items]
        # The order is free: the index says which is which.
        await _send(writer, 200, json.dumps({"object": "list", "data": items[::-1], "model": "m"}).encode())


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


async def _send(
    writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    fields = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Status", *(f"{k}: {v}" for k, v in fields.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
