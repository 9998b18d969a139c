"""`docuquery admin`: looking after the store while no service uses it, and what answers cost.

The services' own code does it, started by module name: this client knows nothing of stores.
"""

from __future__ import annotations

import os
import sys

import typer

from docuquery_client.cli.console import clean
from docuquery_client.cli.session import EXIT_FAILED, fail
from docuquery_client.stack import services_environment
from docuquery_client.supervision import StackError

STORE_MODULE = "services.retrieval.admin"
MODULES = {"cost": "services.answer.usage"}
"""Commands that are not about the store, and who does them."""


def admin(ctx: typer.Context) -> None:
    """Compacts, backs up, restores, checks, re-embeds the store of this machine; `cost` sums usage.

    Every argument goes to a service's own program; `docuquery admin --help` lists the store's commands.
    """
    try:
        environment = services_environment()
    except StackError as error:
        fail(clean(str(error)))
        raise typer.Exit(EXIT_FAILED) from None
    command, *rest = ctx.args or [""]
    module = MODULES.get(command)
    if module is None and command in ("", "-h", "--help"):
        sys.stdout.write("docuquery admin cost [--help]: sums the usage log of the answer service.\n\n")
    sys.stdout.flush()
    sys.stderr.flush()
    program = [module, *rest] if module else [STORE_MODULE, *ctx.args]
    # In the place of this process: signals, the terminal and the exit code are the program's own.
    os.execve(sys.executable, [sys.executable, "-m", *program], environment)  # noqa: S606 # no shell is wanted


SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""How typer passes everything on, `--help` included."""
