"""The typer application: global options, and every command in its place."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from docuquery_client.cli import ask, conversation, documents, ingest, search, status, up
from docuquery_client.cli.admin import app as admin_app
from docuquery_client.cli.console import clean
from docuquery_client.cli.eval import app as eval_app
from docuquery_client.cli.session import EXIT_USAGE, Session, fail, usage_error
from docuquery_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_SECONDS
from docuquery_client.connection import check_address, check_api_key
from docuquery_client.tls import Tls

app = typer.Typer(
    name="docuquery",
    help="Answers to questions about your own documents, with citations the server has checked.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"docuquery {version('docuquery')}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    address: Annotated[
        str, typer.Option(help="The gateway, HOST:PORT.", envvar="DOCUQUERY_ADDRESS")
    ] = DEFAULT_ADDRESS,
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Your API key, where the server wants one. The variable keeps it out of the process list.",
            envvar="DOCUQUERY_API_KEY",
            show_envvar=True,
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds one call may take; uploads have none.", min=0.001)
    ] = DEFAULT_TIMEOUT_SECONDS,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="Encrypt; so does any of the next four.", envvar="DOCUQUERY_TLS"),
    ] = False,
    ca: Annotated[
        Path | None,
        typer.Option(help="Authorities to believe (PEM); else the known ones.", envvar="DOCUQUERY_CA"),
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(help="Your certificate (PEM), if one is wanted.", envvar="DOCUQUERY_CERT"),
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).", envvar="DOCUQUERY_KEY")] = None,
    server_name: Annotated[
        str,
        typer.Option(
            help="The name in the server's certificate, if it is not the host in --address.",
            envvar="DOCUQUERY_SERVER_NAME",
        ),
    ] = "",
    version: Annotated[  # noqa: ARG001 # its callback does it
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command; they stand before it: `docuquery --address HOST:PORT ask ...`."""
    try:
        where = check_address(address)
    except ValueError as error:
        raise usage_error(f"--address: {error}.") from None
    try:
        checked_key = check_api_key(api_key)
    except ValueError as error:
        raise usage_error(f"--api-key: {error}.") from None
    encryption = Tls(ca, cert, key, server_name) if tls or ca or cert or key or server_name else None
    if encryption is not None:
        try:
            encryption.credentials()
        except ValueError as error:
            raise usage_error(f"--ca, --cert, --key: {error}.") from None
        except OSError as error:
            told = f"{error.filename}: {error.strerror}"
            raise usage_error(f"--ca, --cert, --key: {told}.") from None
    ctx.obj = Session(where, checked_key, timeout, encryption)


app.command("up")(up.up)
app.command("ingest")(ingest.ingest)
app.command("ask")(ask.ask)
app.command("search")(search.search)
app.add_typer(documents.app, name="documents")
app.command("status")(status.status)
app.command("prompts")(status.prompts)
app.add_typer(conversation.app, name="conversation")
app.add_typer(eval_app, name="eval")
app.add_typer(admin_app, name="admin")


def main() -> None:
    """Runs the command line."""
    try:
        app()
    except UnicodeEncodeError as error:
        # Files may be named by any bytes; a question, a name or metadata goes out as text.
        fail(f"{clean(error.object)!r} is not UTF-8 text.")
        sys.exit(EXIT_USAGE)
