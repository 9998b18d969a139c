"""A model server that misbehaves on request: both wire formats, over real sockets.

A test scripts the next reply as steps. `/v1/chat/completions` is answered in OpenAI's format,
`/v1/messages` in Anthropic's; the same script means the same in both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Text:
    """A content delta; `split` sends each byte of it in an HTTP chunk of its own."""

    text: str
    split: bool = False


@dataclass(frozen=True)
class Cite:
    """A citation of the server's own, of the text before it; only in Anthropic's format."""

    document: int
    start: int
    text: str


@dataclass(frozen=True)
class Raw:
    """Bytes of the event stream as they stand."""

    data: bytes


@dataclass(frozen=True)
class StreamError:
    """An error event inside the HTTP 200 stream."""

    type: str | None
    code: str | int | None = None


@dataclass(frozen=True)
class Finish:
    """The terminal events; `reason` in the words of the format."""

    reason: str
    usage: tuple[int, int] | None = (11, 7)


@dataclass(frozen=True)
class Status:
    """An HTTP error instead of a stream; `body` replaces the documented one."""

    status: int
    type: str | None = None
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Open:
    """The headers and what comes before content: the role chunk, or `message_start` and a ping."""

    content_type: str = "text/event-stream; charset=utf-8"
    preamble: bool = True


@dataclass(frozen=True)
class Pause:
    """Nothing for so many seconds."""

    seconds: float


class Hang:
    """Nothing more, until the client goes away."""


class Reset:
    """RST on the connection."""


class Drop:
    """The connection closed in the middle of the body."""


class End:
    """The body ended cleanly."""


Step = Text | Cite | Raw | StreamError | Finish | Status | Open | Pause | Hang | Reset | Drop | End


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class LlmServer:
    """Replies to every request with the script of `play`; counts requests and lost clients."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.hanging = asyncio.Event()
        """Set while a reply hangs."""
        self.client_gone = asyncio.Event()
        """Set when a client closed its connection while its reply hung."""
        self.connections = 0
        self._scripts: list[tuple[Step, ...]] = [()]
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> LlmServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()
        if self._handlers:  # they end now that their transports are gone
            await asyncio.wait(self._handlers, timeout=5)

    def play(self, *steps: Step) -> None:
        """Sets the reply to every request from now on."""
        self._scripts = [steps]

    def play_in_turn(self, *scripts: tuple[Step, ...]) -> None:
        """Sets the replies to the next requests; the last one stays."""
        self._scripts = list(scripts)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if task := asyncio.current_task():
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)
        self.connections += 1
        try:
            while await self._reply(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client closed: between two requests, or while its reply was on its way
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {
            k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = first.split()[1]
        self.requests.append(Received(path, headers, json.loads(body)))
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        reply = _Reply(writer, openai=path.partition("?")[0].endswith("/chat/completions"))
        for step in script:
            if isinstance(step, Hang):
                await self._hang(reader)
                return False
            if not await reply.play(step):
                return False
        return True

    async def _hang(self, reader: asyncio.StreamReader) -> None:
        self.hanging.set()
        with contextlib.suppress(ConnectionError):  # a reset tells the same
            await reader.read()
        self.client_gone.set()


class _Reply:
    """One reply on its way; `play` says whether the connection still lives."""

    def __init__(self, writer: asyncio.StreamWriter, *, openai: bool) -> None:
        self._writer = writer
        self._openai = openai

    async def play(self, step: Step) -> bool:
        match step:
            case Status():
                await self._status(step)
            case Open():
                await self._open(step)
            case Text():
                await self._text(step)
            case Cite():
                await self._cite(step)
            case Raw():
                await self._chunk(step.data)
            case StreamError():
                await self._stream_error(step)
            case Finish():
                await self._finish(step)
            case End():
                await self._write(b"0\r\n\r\n")
            case Pause():
                await asyncio.sleep(step.seconds)
            case Drop():
                await self._write(b"400\r\ndata: ")
                return False
            case Reset():
                linger = struct.pack("ii", 1, 0)
                self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._writer.transport.abort()
                return False
        return True

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _chunk(self, data: bytes) -> None:
        await self._write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def _event(self, data: dict[str, Any], *, split: bool = False) -> None:
        event = b"" if self._openai else f"event: {data['type']}\n".encode()
        encoded = event + b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"
        if not split:
            await self._chunk(encoded)
            return
        for byte in encoded:
            await self._chunk(bytes([byte]))
            await asyncio.sleep(0)

    async def _status(self, step: Status) -> None:
        error: dict[str, Any] = {"type": step.type, "message": "provider text, not for the public"}
        if self._openai:
            document: dict[str, Any] = {"error": {**error, "code": step.code, "param": step.param}}
        else:
            details = {"error_code": step.code} if step.code else None
            document = {"type": "error", "error": {**error, "details": details}}
        body = json.dumps(document).encode() if step.body is None else step.body
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-request-id" if self._openai else "request-id": "req_1",
            **step.headers,
        }
        lines = [f"HTTP/1.1 {step.status} Status", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        await self._write("\r\n".join(lines).encode() + body)

    async def _open(self, step: Open) -> None:
        await self._write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {step.content_type}\r\n"
            f"{'x-request-id' if self._openai else 'request-id'}: req_1\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        if not step.preamble:
            return
        if self._openai:
            await self._choice({"role": "assistant", "content": ""})
            return
        usage = {
            "input_tokens": 8,
            "cache_read_input_tokens": 2,
            "cache_creation_input_tokens": 1,
            "output_tokens": 1,
        }
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "usage": usage,
        }
        await self._event({"type": "message_start", "message": message})
        await self._event({"type": "ping"})
        await self._event(
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        )

    async def _choice(self, delta: dict[str, Any], reason: str | None = None, *, split: bool = False) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        await self._event({**_CHUNK, "choices": [choice]}, split=split)

    async def _text(self, step: Text) -> None:
        if self._openai:
            await self._choice({"content": step.text}, split=step.split)
            return
        delta = {"type": "text_delta", "text": step.text}
        await self._event({"type": "content_block_delta", "index": 0, "delta": delta}, split=step.split)

    async def _cite(self, step: Cite) -> None:
        """The citation, and the end of the block it belongs to."""
        citation = {
            "type": "char_location",
            "cited_text": step.text,
            "document_index": step.document,
            "document_title": None,
            "start_char_index": step.start,
            "end_char_index": step.start + len(step.text),
        }
        delta = {"type": "citations_delta", "citation": citation}
        await self._event({"type": "content_block_delta", "index": 0, "delta": delta})
        await self._event({"type": "content_block_stop", "index": 0})
        block = {"type": "text", "text": ""}
        await self._event({"type": "content_block_start", "index": 0, "content_block": block})

    async def _stream_error(self, step: StreamError) -> None:
        error = {"type": step.type, "message": "provider text, not for the public"}
        if self._openai:
            await self._event({"error": {**error, "code": step.code}})
            return
        details = {"error_code": step.code} if step.code else None
        await self._event({"type": "error", "error": {**error, "details": details}})

    async def _finish(self, step: Finish) -> None:
        if self._openai:
            await self._choice({}, step.reason)
            if step.usage:
                prompt, completion = step.usage
                usage = {
                    "prompt_tokens": prompt,
                    "completion_tokens": completion,
                    "total_tokens": prompt + completion,
                    "prompt_tokens_details": {"cached_tokens": 2},
                }
                await self._event({**_CHUNK, "choices": [], "usage": usage})
            await self._chunk(b"data: [DONE]\n\n")
            return
        await self._event({"type": "content_block_stop", "index": 0})
        written = {"output_tokens": step.usage[1]} if step.usage else None
        delta = {"stop_reason": step.reason, "stop_sequence": None}
        await self._event({"type": "message_delta", "delta": delta, "usage": written})
        await self._event({"type": "message_stop"})


_CHUNK = {"id": "c_1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
