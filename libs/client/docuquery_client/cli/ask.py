"""`docuquery ask`: one question, its answer as it is written, and the sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Annotated

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from docuquery.common.v1.answer_pb2 import Citation
from docuquery.gateway.v1.docuquery_service_pb2 import QueryRequest, QueryResult
from docuquery_client.cli.answer_view import answer_lines, with_marks
from docuquery_client.cli.console import clean, output, print_json
from docuquery_client.cli.options import (
    FilterOption,
    JsonFlag,
    Mode,
    ModeOption,
    RerankOption,
    filter_value,
    mode_value,
)
from docuquery_client.cli.session import session_of
from docuquery_client.client import AsyncDocuQuery


def ask(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(help="The question.")],
    as_json: JsonFlag = False,
    top_k: Annotated[
        int | None, typer.Option(help="Passages to answer from.", min=1, max=20, show_default=False)
    ] = None,
    conversation: Annotated[
        str, typer.Option(help="Continue, or begin, the conversation of this name.", show_default=False)
    ] = "",
    filter: FilterOption = None,
    mode: ModeOption = Mode.HYBRID,
    rerank: RerankOption = None,
    max_per_document: Annotated[
        int, typer.Option(help="Most passages of one document; 0: no cap.", min=0, max=20)
    ] = 0,
    expand: Annotated[
        int | None,
        typer.Option(
            help="Chunks before and after each passage to use with it. Default: as the server is set.",
            min=0,
            max=3,
        ),
    ] = None,
    provider: Annotated[
        str, typer.Option(help="Try this provider first (see `status`).", show_default=False)
    ] = "",
    prompt: Annotated[str, typer.Option(help="Prompt version (see `prompts`).", show_default=False)] = "",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Make the answer anew, and do not keep it.")
    ] = False,
) -> None:
    """Answers a question from your documents, with checked citations.

    A question the documents do not answer is told as such, and is not an error (exit 0).
    """
    request = QueryRequest(
        question=question,
        conversation_id=conversation,
        top_k=top_k,
        filter=filter_value(filter),
        mode=mode_value(mode),
        provider=provider,
        prompt_version=prompt,
        rerank=rerank,
        max_per_document=max_per_document,
        expand_chunks=expand,
        no_cache=no_cache,
    )

    async def as_text(client: AsyncDocuQuery) -> None:
        console = output()
        result = await show_while_written(client, request, console)
        for line in answer_lines(result):
            console.print(line, soft_wrap=not console.is_terminal)

    async def as_data(client: AsyncDocuQuery) -> None:
        print_json(await client.query(request))

    session_of(ctx).run(as_data if as_json else as_text)


class _Tail:
    """As many last lines of a growing text as the terminal shows, so that it can be redrawn in place."""

    def __init__(self) -> None:
        self.answer = ""
        self.citations: list[Citation] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(with_marks(self.answer, self.citations), options, pad=False)
        yield from _joined(lines[-max(1, console.height - 1) :])


def _joined(lines: list[list[Segment]]) -> Iterator[Segment]:
    for line in lines:
        yield from line
        yield Segment.line()


async def show_while_written(client: AsyncDocuQuery, request: QueryRequest, console: Console) -> QueryResult:
    """Asks, showing the text so far on a terminal; the display is gone when this returns.

    When the stream fails, the text so far stays on the terminal and the error goes on its way.
    """
    tail, result = _Tail(), QueryResult()
    with Live(tail, console=console, auto_refresh=False, transient=True) as live:
        try:
            async with aclosing(client.ask_stream(request)) as events:
                async for event in events:
                    match event.WhichOneof("event"):
                        case "text_delta":
                            tail.answer += event.text_delta
                        case "citation":
                            tail.citations.append(event.citation)
                        case "completed":
                            result = event.completed
                    if console.is_terminal and tail.answer:
                        live.refresh()
        except BaseException:
            live.stop()
            if console.is_terminal and tail.answer:
                console.print(Text(f"{clean(tail.answer)} …", style="dim"))
            raise
    return result
