"""An answer for people: the text with its marks, the numbered sources, and how sure the server is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.text import Text

from docuquery.common.v1.answer_pb2 import Citation, CitationVerdict, DegradationKind, Outcome
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.common.v1.text_pb2 import PageRange
from docuquery.gateway.v1.docuquery_service_pb2 import QueryResult
from docuquery_client.cli.console import clean, one_line
from docuquery_client.names import enum_name

MAX_QUOTE_CHARACTERS = 300

_VERDICT_STYLES = {
    CitationVerdict.CITATION_VERDICT_VERBATIM: "green",
    CitationVerdict.CITATION_VERDICT_SUPPORTED: "cyan",
    CitationVerdict.CITATION_VERDICT_UNSUPPORTED: "red",
}


def with_marks(answer: str, citations: Sequence[Citation]) -> Text:
    """The answer with `[n]` behind each piece a citation supports, in the order of the sources."""
    marks: dict[int, set[int]] = defaultdict(set)
    for citation in citations:
        end = min(max(citation.answer_span.char_end, 0), len(answer))
        marks[len(answer[:end].rstrip())].add(citation.source_number)
    text, position = Text(), 0
    for end in sorted(marks):
        text.append(clean(answer[position:end]))
        numbers = "".join(f"[{number}]" for number in sorted(marks[end]))
        text.append(f" {numbers}" if position < end else numbers, style="bold cyan")
        position = end
    text.append(clean(answer[position:]))
    return text


def page_text(pages: PageRange) -> str:
    """`page 3`, `pages 3-4`; empty where there are none."""
    if pages.first == 0:
        return ""
    return f"page {pages.first}" if pages.last <= pages.first else f"pages {pages.first}-{pages.last}"


def place(filename: str, pages: PageRange, headings: Sequence[str]) -> str:
    """Where a text stands: `handbook.pdf, page 3 · Leave › Sabbatical`."""
    parts = ", ".join(filter(None, [one_line(filename, 255), page_text(pages)]))
    path = " › ".join(one_line(heading, 80) for heading in headings)
    return " · ".join(filter(None, [parts, path]))


def source_lines(result: QueryResult) -> list[Text]:
    """The cited sources, by number, each with its quotes and what the server found about them."""
    by_source: dict[int, list[Citation]] = defaultdict(list)
    for citation in result.citations:
        by_source[citation.source_number].append(citation)
    lines = []
    for number in sorted(by_source):
        cited = by_source[number]
        first = cited[0]
        line = Text(f"[{number}] ", style="bold cyan")
        line.append(place(first.filename, _pages(cited, result.sources, number), first.headings), "bold")
        lines.append(line)
        for quote, citation in {citation.quote: citation for citation in cited}.items():
            text = Text(f"    “{one_line(quote, MAX_QUOTE_CHARACTERS)}” ")
            text.append(
                enum_name(CitationVerdict, citation.verdict), _VERDICT_STYLES.get(citation.verdict, "")
            )
            lines.append(text)
    return lines


def _pages(cited: Sequence[Citation], sources: Sequence[Passage], number: int) -> PageRange:
    # A quote's own page is narrower than its passage's.
    ranges = [citation.pages for citation in cited if citation.HasField("pages")]
    if ranges:
        return PageRange(first=min(r.first for r in ranges), last=max(r.last for r in ranges))
    return sources[number - 1].pages if 0 < number <= len(sources) else PageRange()


def summary_line(result: QueryResult) -> Text:
    """Outcome, confidence, who answered, and how long it took."""
    provider = "/".join(filter(None, [result.provider, result.model]))
    parts = [
        enum_name(Outcome, result.outcome),
        f"confidence {result.confidence:.2f}",
        clean(provider),
        f"{result.latency.total_ms:.0f} ms",
    ]
    if result.conversation_id:
        parts.append(f"conversation {clean(result.conversation_id)}")
    return Text(" · ".join(filter(None, parts)), style="dim")


def note_lines(result: QueryResult) -> list[Text]:
    """What was done less well than configured, and markers that named no source."""
    lines = []
    for degradation in result.degradations:
        kind = enum_name(DegradationKind, degradation.kind)
        lines.append(Text(f"{kind}: {one_line(degradation.detail, 300)}", style="yellow"))
    if result.rejected_citations:
        markers = ", ".join(one_line(r.marker, 60) for r in result.rejected_citations)
        lines.append(Text(f"The model named sources it was not given: {markers}", style="yellow"))
    return lines


def answer_lines(result: QueryResult) -> list[Text]:
    """The whole of it, in the order it is printed."""
    lines = [with_marks(result.answer, result.citations), Text()]
    if sources := source_lines(result):
        lines += [Text("Sources", style="bold"), *sources, Text()]
    return [*lines, *note_lines(result), summary_line(result)]
