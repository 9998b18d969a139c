"""The whole of DocuQuery in a few seconds: `python -m docuquery_client.demo [FOLDER]`.

Starts the four services on free loopback ports with an empty store, ingests the sample handbook, asks
three questions of it, one of which it does not answer, prints the cited answers, and stops. No key and
no network are needed. The exit code is 1 when anything is not as promised.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from docuquery.common.v1.answer_pb2 import CitationVerdict, Outcome
from docuquery.gateway.v1.docuquery_service_pb2 import COMPONENT_STATE_SERVING, QueryResult
from docuquery_client.cli.answer_view import answer_lines
from docuquery_client.cli.console import clean, output
from docuquery_client.cli.ingest_files import SelectionError, select
from docuquery_client.cli.ingest_view import Tally, failure_lines
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.names import enum_name
from docuquery_client.resume import upload_resuming
from docuquery_client.stack import start_stack, wait_until_whole
from docuquery_client.supervision import StackError, badly_ended
from docuquery_client.upload_files import UploadFile

# Settings of the shell that would make another demonstration of it; an empty value unsets them.
_UNSET = (
    "API_KEYS", "API_KEYS_FILE", "EMBEDDING_MODEL", "EMBEDDING_PROVIDER", "GATEWAY_HOST", "INGEST_HOST",
    "RETRIEVAL_HOST", "ANSWER_HOST", "PROMPTS_DIR", "PROMPT_VERSION", "RATE_LIMIT_REQUESTS",
    "RETRIEVAL_SCORE_THRESHOLD", "VECTOR_STORE",
)  # fmt: skip

_CHECKED = (CitationVerdict.CITATION_VERDICT_VERBATIM, CitationVerdict.CITATION_VERDICT_SUPPORTED)


@dataclass(frozen=True, slots=True)
class Expected:
    """A question and what its answer must show."""

    question: str
    words: str = ""
    """Must stand in the answer; empty: the documents do not answer the question."""
    filename: str = ""
    """Must be cited."""


QUESTIONS = (
    Expected("What are the core hours during which everyone has to be reachable?", "10:00", "remote-work.md"),
    Expected("Which firm audited the 2024 accounts?", "Pellworth & Dane", "annual-report.pdf"),
    Expected("Who won the football world cup in 1998?"),
)


class DemoError(Exception):
    """Something is not as promised. The text is for people."""


def check(expected: Expected, result: QueryResult) -> None:
    """Raises DemoError unless the answer is what it must be."""
    outcome = enum_name(Outcome, result.outcome)
    if not expected.words:
        if result.outcome != Outcome.OUTCOME_NO_EVIDENCE:
            raise DemoError(f"The documents do not answer {expected.question!r}, but it ended as {outcome}.")
        return
    if result.outcome != Outcome.OUTCOME_ANSWERED:
        raise DemoError(f"{expected.question!r} ended as {outcome}.")
    if expected.words not in result.answer:
        raise DemoError(f"The answer to {expected.question!r} does not say {expected.words!r}.")
    cited = {citation.filename for citation in result.citations if citation.verdict in _CHECKED}
    if expected.filename not in cited:
        raise DemoError(f"The answer to {expected.question!r} cites {cited or 'nothing'} only.")


async def demonstrate(folder: Path, console: Console) -> None:
    """The demonstration. Raises DemoError, StackError, ApiError or SelectionError."""
    files = [UploadFile(found.path, source=found.source) for found in select([str(folder)]).files]
    if not files:
        raise DemoError(f"{folder} holds no documents.")
    with tempfile.TemporaryDirectory(prefix="docuquery-demo-") as data:
        env = {**dict.fromkeys(_UNSET, ""), "LLM_PROVIDER": "extractive", "DATA_DIR": data}
        started = time.monotonic()
        _say(console, "Starting gateway, ingest, retrieval and answer ...")
        # In the empty folder no `.env` changes the settings.
        async with await start_stack(env, cwd=Path(data)) as stack:
            async with AsyncDocuQuery(stack.addresses["gateway"]) as client:
                system = await wait_until_whole(client)
                if system.state != COMPONENT_STATE_SERVING:
                    raise DemoError("The services did not come up whole.")
                _say(console, f"Up at {client.address} in {time.monotonic() - started:.1f} s.")
                await _ingest(client, files, console)
                for expected in QUESTIONS:
                    await _ask(client, expected, console)
            bad = badly_ended(await stack.stop())
    if bad:
        raise DemoError(f"Services did not end cleanly: {bad}.")
    _say(console, f"Stopped. All of it took {time.monotonic() - started:.1f} s.")


async def _ingest(client: AsyncDocuQuery, files: list[UploadFile], console: Console) -> None:
    started, tally = time.monotonic(), Tally()
    async with aclosing(upload_resuming(client, files)) as events:
        async for event in events:
            if event.finished:
                tally.add(event, event.document.size_bytes if event.document else 0)
    _say(console, f"Ingested {tally.summary(time.monotonic() - started)}")
    if tally.failures:
        raise DemoError("\n".join(["Not every document was ingested:", *failure_lines(tally.failures)]))


async def _ask(client: AsyncDocuQuery, expected: Expected, console: Console) -> None:
    result = await client.ask(expected.question)
    console.print()
    console.print(Text(f"? {expected.question}", style="bold"), soft_wrap=True)
    for line in answer_lines(result):
        console.print(line, soft_wrap=not console.is_terminal)
    console.print()
    check(expected, result)


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, soft_wrap=True)


def main(arguments: list[str]) -> int:
    """Runs the demonstration on the folder in `arguments` (`samples/handbook`); returns the exit code."""
    folder = Path(arguments[0] if arguments else "samples/handbook")
    try:
        asyncio.run(demonstrate(folder, output()))
    except (DemoError, StackError, ApiError, SelectionError) as error:
        sys.stderr.write(f"The demonstration failed. {clean(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
