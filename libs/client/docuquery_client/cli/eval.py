"""`docuquery eval`: how well a system finds and answers, and whether two measurements differ.

What does the work is imported only when it is asked for: numpy takes a tenth of a second, which no other
command should wait for.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from docuquery_client.cli.default_command import DefaultCommandGroup
from docuquery_client.cli.session import session_of


class EvalMode(StrEnum):
    """Which index answers; `all` measures each."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"
    ALL = "all"


class EvalGroup(DefaultCommandGroup):
    """`docuquery eval DIR` is `docuquery eval run DIR`."""

    default_command = "run"


app = typer.Typer(
    cls=EvalGroup,
    no_args_is_help=True,
    help="How well a system finds and answers: `docuquery eval DIR` measures (its options: `docuquery eval "
    "run --help`), `docuquery eval compare A B` says whether two measurements differ.",
)

MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Write tables in Markdown here.", show_default=False),
]


@app.command("run")
def run(
    ctx: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A collection in the BEIR layout (corpus.jsonl, queries.jsonl, qrels.tsv), questions with "
            "marked answers (questions.jsonl and a folder of documents), or PDFs with a questions.jsonl that "
            "names the pages of the evidence.",
            show_default=False,
        ),
    ],
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the figures and what each question scored here; of several modes as a list.",
            show_default=False,
        ),
    ] = None,
    markdown_file: MarkdownOption = None,
    plots: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw the metrics, the time of a reply, the calibration of answers here (needs matplotlib).",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        list[EvalMode] | None,
        typer.Option(
            help="Which index answers; give it several times, or `all`.",
            show_default="hybrid; of marked questions as the server is set",
        ),
    ] = None,
    rerank: Annotated[
        bool | None,
        typer.Option(
            "--rerank/--no-rerank", help="Order the best once more.", show_default="as the server is set"
        ),
    ] = None,
    limit_queries: Annotated[
        int | None, typer.Option(help="Ask only the first queries.", min=1, show_default="all")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(help="Ask only so many queries, drawn at random.", min=1, show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of --sample: the same seed draws the same queries.", min=0)] = 0,
    concurrency: Annotated[
        int, typer.Option(help="Documents on their way, and queries asked, at a time.", min=1)
    ] = 8,
    provider: Annotated[
        str,
        typer.Option(
            help="Who answers marked questions first; a system of its own asks nobody else.",
            show_default="the server's order; extractive in a system of its own",
        ),
    ] = "",
    judge: Annotated[
        str,
        typer.Option(
            metavar="PROVIDER:MODEL",
            help="Have a model grade the answers, too: openai:MODEL (any compatible server) or "
            "anthropic:MODEL. Its key is DOCUQUERY_JUDGE_API_KEY or the provider's own; answers and passages "
            "go to it.",
            envvar="DOCUQUERY_JUDGE",
            show_default="no model",
        ),
    ] = "",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Measure this server. The collection stays among your documents there; others beside it "
            "change the figures, so use a key (a tenant) kept for it.",
            show_default="a system of its own, removed afterwards",
        ),
    ] = None,
) -> None:
    """Uploads a test collection, asks its queries, and says how good the rankings or the answers are.

    A document ranks as its best passage; an answer is right when it holds a marked span; page_hit@5 is the
    share of questions for which one of the first five passages touches a page of the evidence. Settings of
    the environment (CHUNK_SIZE=1000, for example) hold for the system it starts. Exits with 1 if the server
    refused something, which counts as not found.
    """
    from docuquery_client.cli.eval_outputs import Outputs
    from docuquery_client.cli.eval_run import Wanted, evaluate
    from docuquery_client.evaluation.sampling import Part

    evaluate(
        replace(session_of(ctx), address=address or _address_before_command(ctx)),
        folder,
        Wanted(
            part=Part(limit_queries, sample, seed),
            modes=tuple(each.value for each in mode or ()),
            rerank=rerank,
            concurrency=concurrency,
            provider=provider,
            judge=judge,
        ),
        Outputs(json_file, markdown_file, plots),
    )


@app.command("compare")
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A report written by --json.", show_default=False)],
    b: Annotated[
        str,
        typer.Argument(
            metavar="B",
            help="Another one. FILE#MODE takes one mode out of a file with several.",
            show_default=False,
        ),
    ],
    markdown_file: MarkdownOption = None,
) -> None:
    """Says in which metrics two measurements of the same questions differ, and whether that may be luck.

    The interval is that of the difference B - A (paired bootstrap, 95 %), p that of the paired randomisation
    test. Exits with 2 when the reports are about other questions.
    """
    from docuquery_client.cli.eval_compare import show_comparison
    from docuquery_client.cli.eval_outputs import Outputs

    show_comparison(a, b, Outputs(None, markdown_file, None))


def _address_before_command(ctx: typer.Context) -> str:
    """`docuquery --address HOST:PORT eval ...`; empty when it is not given there.

    The variable DOCUQUERY_ADDRESS does not count: thousands of documents go nowhere by surprise.
    """
    source = ctx.find_root().get_parameter_source("address")
    return session_of(ctx).address if source is not None and source.name == "COMMANDLINE" else ""
