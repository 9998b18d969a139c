"""What DocuQuery adds to a provider's stream, token by token.

    python -m benchmarks.streaming [--rounds N] [--tokens N] [--gap-ms MS] [--adapter openai|anthropic]
                                   [--json FILE]

A model server of its own process sends tokens over HTTP on loopback, and a stack of four processes passes
them to a client of StreamQuery. Each token is the time it was sent at, so the client knows how long it was on
its way; all processes read one clock. Two things are measured: tokens with a pause between them (how late
each one comes, the first one too), and tokens as fast as they go (what each one costs). Beside it, in
alternating rounds of the same run, a bare grpc.aio stream sends the same tokens from one process to another,
which is what a gRPC message costs here whatever is done with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from benchmarks import measurement
from benchmarks.measurement import Measurement
from benchmarks.processes import cpu_seconds
from docuquery.gateway.v1.docuquery_service_pb2 import QueryRequest
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.stack import start_stack

QUESTION = "What is the mascot of the firm?"
_TOKEN = re.compile(r"t(\d+)")
_METHOD = "/bench.Stream/Tokens"
_SERVICES = ("gateway", "answer")
_WARM_UP_ROUNDS = 3


def token() -> str:
    """A token that says when it was made, in microseconds of the machine's monotonic clock."""
    return f"t{time.monotonic_ns() // 1000} "


# --- the processes that send ---


async def serve_model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of the model server: every request gets the tokens it asks for in its model's name."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = int(re.search(r"content-length: *(\d+)", head, re.IGNORECASE)[1])  # type: ignore[index] # the SDKs send it
            body = json.loads(await reader.readexactly(length))
            count, gap = body["metadata"]["tokens"].split("x")
            openai = head.split()[1].endswith("/chat/completions")
            await stream_tokens(writer, int(count), float(gap), openai=openai)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def stream_tokens(writer: asyncio.StreamWriter, count: int, gap_ms: float, *, openai: bool) -> None:
    """A reply of `count` tokens."""

    def send(document: dict[str, Any]) -> None:
        name = "" if openai else f"event: {document['type']}\n"
        data = f"{name}data: {json.dumps(document)}\n\n".encode()
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def choice(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}

    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    if openai:
        send(choice({"role": "assistant", "content": ""}))
    else:
        usage = {"input_tokens": 10, "output_tokens": 1}
        message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
        send({"type": "message_start", "message": {**message, "usage": usage}})
        block = {"type": "text", "text": ""}
        send({"type": "content_block_start", "index": 0, "content_block": block})
    await writer.drain()
    await asyncio.sleep(0.02)  # the model thinks
    for _ in range(count):
        text = token()
        if openai:
            send(choice({"content": text}))
        else:
            delta = {"type": "text_delta", "text": text}
            send({"type": "content_block_delta", "index": 0, "delta": delta})
        await writer.drain()
        if gap_ms:
            await asyncio.sleep(gap_ms / 1000)
    if openai:
        send(choice({}, "stop"))
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n")
    else:
        send({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}})
        send({"type": "message_stop"})
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def bare_tokens(request: bytes, _context: object) -> AsyncIterator[bytes]:
    """The same tokens as messages of a stream, with nothing done to them."""
    count, gap = request.decode().split("x")
    await asyncio.sleep(0.02)
    for _ in range(int(count)):
        yield token().encode()
        if float(gap):
            await asyncio.sleep(float(gap) / 1000)


async def send_for_ever() -> None:
    """Serves both kinds and prints the two ports."""
    model = await asyncio.start_server(serve_model, "127.0.0.1", 0)
    server = grpc.aio.server()
    handler: Any = grpc.unary_stream_rpc_method_handler(bare_tokens)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench.Stream", {"Tokens": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(model.sockets[0].getsockname()[1], port, flush=True)
    await asyncio.Event().wait()


# --- the process that receives ---


@dataclass
class Timings:
    """What was seen of one way, in milliseconds."""

    first: list[float] = field(default_factory=list)
    """How late the first token of each paced stream came."""
    late: list[float] = field(default_factory=list)
    """How late every token of the paced streams came."""
    per_token: list[float] = field(default_factory=list)
    """What a token of each unpaced stream took: from the first token's coming to the last one's."""


Receive = Callable[[int, float], AsyncIterator[str]]
"""Asks for so many tokens with such a gap in milliseconds between them, and passes on what comes."""


async def arrivals(pieces: AsyncIterator[str]) -> tuple[list[float], list[float]]:
    """(how late each token was, when it came) in milliseconds."""
    late, came = [], []
    async for piece in pieces:
        now = time.monotonic_ns() / 1000
        for sent in _TOKEN.findall(piece):
            late.append((now - int(sent)) / 1000)
            came.append(now / 1000)
    return late, came


async def measure(
    timings: Timings, pieces: Callable[[int, float], AsyncIterator[str]], args: argparse.Namespace
) -> None:
    """One round of one way."""
    late, _ = await arrivals(pieces(args.tokens // 10, args.gap_ms))
    timings.first.append(late[0])
    timings.late += late
    _, came = await arrivals(pieces(args.tokens, 0))
    if len(came) != args.tokens:
        raise SystemExit(f"{args.tokens} tokens were sent and {len(came)} came")
    timings.per_token.append((came[-1] - came[0]) / (len(came) - 1))


@asynccontextmanager
async def sender() -> AsyncIterator[tuple[int, int]]:
    """The sending process; its two ports."""
    command = (sys.executable, "-m", "benchmarks.streaming", "--send")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        http, rpc = (await process.stdout.readline()).split()
        yield int(http), int(rpc)
    finally:
        process.kill()
        await process.wait()


def providers(folder: Path, port: int, adapter: str, streams: Sequence[tuple[int, float]]) -> Path:
    """A file with a provider for each kind of stream: what it wants stands in the request's body."""
    path = "/v1" if adapter == "openai" else ""
    file = folder / "providers.toml"
    file.write_text(
        "\n".join(
            f'[[provider]]\nname = "s{count}-{gap:g}"\nadapter = "{adapter}"\nmodel = "m"\n'
            f'base_url = "http://127.0.0.1:{port}{path}"\n'
            f'body = {{ metadata = {{ tokens = "{count}x{gap}" }} }}'
            for count, gap in streams
        )
    )
    return file


async def run(args: argparse.Namespace) -> None:
    """Starts everything, measures, prints."""
    streams = ((args.tokens // 10, args.gap_ms), (args.tokens, 0.0))
    async with AsyncExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        http, rpc = await stack.enter_async_context(sender())
        file = providers(work, http, args.adapter, streams)
        env = {"DATA_DIR": f"{work}/data", "PROVIDERS_FILE": str(file), "LOG_LEVEL": "WARNING"}
        services = await stack.enter_async_context(
            await start_stack({**env, "INGEST_SPOOL_DIR": f"{work}/spool"}, cwd=work)
        )
        client = await stack.enter_async_context(AsyncDocuQuery(services.addresses["gateway"]))
        await client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{rpc}"))
        method: Any = channel.unary_stream(_METHOD)

        async def through_docuquery(count: int, gap: float) -> AsyncIterator[str]:
            asked = QueryRequest(question=QUESTION, provider=f"s{count}-{gap:g}")
            async for event in client.ask_stream(asked):
                if event.text_delta:
                    yield event.text_delta

        async def bare(count: int, gap: float) -> AsyncIterator[str]:
            async for message in method(f"{count}x{gap}".encode()):
                yield message.decode()

        found = {"DocuQuery": Timings(), "bare gRPC": Timings()}
        ways = {"DocuQuery": through_docuquery, "bare gRPC": bare}
        cpu = 0.0
        for number in range(args.rounds + _WARM_UP_ROUNDS):
            if number == _WARM_UP_ROUNDS:
                found = {name: Timings() for name in ways}
                cpu = sum(cpu_seconds(services.processes[name].pid) for name in _SERVICES)
            for name, way in ways.items():
                await measure(found[name], way, args)
        cpu = sum(cpu_seconds(services.processes[name].pid) for name in _SERVICES) - cpu
    report(found, cpu * 1000 / (args.rounds * args.tokens * 1.1), args)


def report(found: dict[str, Timings], cpu_ms: float, args: argparse.Namespace) -> None:
    """Prints the table."""
    print(f"{args.rounds} rounds, {args.tokens} tokens, adapter {args.adapter}; milliseconds, median (p95)")
    for name, timings in found.items():
        print(
            f"{name:10}  first token {_both(timings.first)}   paced token {_both(timings.late)}"
            f"   each of a burst {_both(timings.per_token)}"
        )
    ours, bare = found["DocuQuery"], found["bare gRPC"]
    first = statistics.median(ours.first) - statistics.median(bare.first)
    each = statistics.median(ours.per_token) - statistics.median(bare.per_token)
    print(f"over bare gRPC: first token {first:.2f}, each token {each:.3f}")
    print(f"CPU time of gateway and answer: {cpu_ms:.3f} a token")
    if args.json:
        measurement.write(args.json, measured(ours, bare, cpu_ms))


def measured(ours: Timings, bare: Timings, cpu_ms: float) -> list[Measurement]:
    """The figures, each with its value in every round, and what we add to the bare stream."""

    def added(our: list[float], theirs: list[float]) -> tuple[float, ...]:
        return tuple(one - other for one, other in zip(our, theirs, strict=True))

    return [
        Measurement("first token", "ms", tuple(ours.first)),
        Measurement("first token, bare gRPC", "ms", tuple(bare.first)),
        Measurement("first token, added", "ms", added(ours.first, bare.first)),
        Measurement("each token", "ms", tuple(ours.per_token)),
        Measurement("each token, bare gRPC", "ms", tuple(bare.per_token)),
        Measurement("each token, added", "ms", added(ours.per_token, bare.per_token)),
        Measurement("CPU time of gateway and answer a token", "ms", (cpu_ms,)),
    ]


def _both(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({statistics.quantiles(values, n=20)[18]:.3f})"


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=400, help="of a burst; a paced stream has a tenth")
    parser.add_argument("--gap-ms", type=float, default=10.0, help="between paced tokens")
    parser.add_argument("--adapter", choices=("openai", "anthropic"), default="openai")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    asyncio.run(send_for_ever() if args.send else run(args))


if __name__ == "__main__":
    main()
