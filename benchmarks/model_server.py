"""A model server that takes no time: OpenAI's chat completions, streamed, over plain sockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

_TEXT = "The hotel limit in Paris is 180 euros a night [1]."


def _event(data: object) -> bytes:
    line = b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"
    return f"{len(line):x}\r\n".encode() + line + b"\r\n"


def _chunk(delta: dict[str, str], reason: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + _event(_chunk({"role": "assistant", "content": ""}))
    + _event(_chunk({"content": _TEXT}))
    + _event(_chunk({}, "stop"))
    + _event(b"[DONE]")
    + b"0\r\n\r\n"
)
_BODY = b'{"error": {"message": "down", "type": "server_error"}}'
_DOWN = (
    f"HTTP/1.1 500 Error\r\ncontent-type: application/json\r\ncontent-length: {len(_BODY)}\r\n\r\n".encode()
    + _BODY
)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            await reader.readexactly(int(fields.get("content-length", "0")))
            writer.write(_DOWN if head.split()[1].startswith("/down") else _ANSWER)
            await writer.drain()
    writer.close()


async def serve_models(port: int) -> None:
    """Serves until it is cancelled."""
    server = await asyncio.start_server(_converse, "127.0.0.1", port)
    async with server:
        await server.serve_forever()
