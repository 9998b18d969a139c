"""`docuquery admin`: looking after an installation.

`doctor` is this program's own. The other commands look after the store while no service uses it, sum what
answers cost, or make API keys; the services' own code does that, started by module name: this client knows
nothing of stores.
"""

from __future__ import annotations

import os
import sys

import typer

from docuquery_client.cli.console import clean
from docuquery_client.cli.doctor import doctor
from docuquery_client.cli.session import EXIT_FAILED, fail
from docuquery_client.stack import services_environment
from docuquery_client.supervision import StackError

STORE_MODULE = "services.retrieval.admin"
MODULES = {"cost": "services.answer.usage", "key": "services.gateway.identity"}
"""Commands that are not about the store, and who does them."""
DOCTOR = "doctor"

_doctor = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]}, add_completion=False)
_doctor.command(DOCTOR)(doctor)


def admin(ctx: typer.Context) -> None:
    """Examines an installation (`doctor`), looks after its store, makes keys (`key`), sums costs (`cost`).

    All but `doctor` goes to a service's own program; `docuquery admin --help` lists the store's commands:
    compact, back up, restore, check, re-embed.
    """
    if ctx.args[:1] == [DOCTOR]:
        own = typer.main.get_command(_doctor)
        with own.make_context(DOCTOR, ctx.args[1:], parent=ctx) as inner:
            own.invoke(inner)
        return
    try:
        environment = services_environment()
    except StackError as error:
        fail(clean(str(error)))
        raise typer.Exit(EXIT_FAILED) from None
    command, *rest = ctx.args or [""]
    module = MODULES.get(command)
    if module is None and command in ("", "-h", "--help"):
        sys.stdout.write("docuquery admin cost [--help]: sums the usage log of the answer service.\n")
        sys.stdout.write("docuquery admin key [--help]: makes an API key for the gateway.\n\n")
    sys.stdout.flush()
    sys.stderr.flush()
    program = [module, *rest] if module else [STORE_MODULE, *ctx.args]
    # In the place of this process: signals, the terminal and the exit code are the program's own.
    os.execve(sys.executable, [sys.executable, "-m", *program], environment)  # noqa: S606 # no shell is wanted


SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""How typer passes everything on, `--help` included."""
