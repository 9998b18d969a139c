"""`docuquery admin`: looking after an installation.

`doctor` is this program's own; the other commands look after the store while no service uses it. The
retrieval service's code does that, started by module name: this client knows nothing of stores.
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

MODULE = "services.retrieval.admin"
DOCTOR = "doctor"

_doctor = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
_doctor.command(DOCTOR)(doctor)


def admin(ctx: typer.Context) -> None:
    """Examines an installation (`doctor`); compacts, backs up, restores, checks, re-embeds the store.

    All but `doctor` goes to the retrieval service's own program; `docuquery admin --help` lists its commands.
    """
    if ctx.args[:1] == [DOCTOR]:
        command = typer.main.get_command(_doctor)
        with command.make_context(f"{ctx.command_path} {DOCTOR}", ctx.args[1:], parent=ctx) as inner:
            command.invoke(inner)
        return
    try:
        environment = services_environment()
    except StackError as error:
        fail(clean(str(error)))
        raise typer.Exit(EXIT_FAILED) from None
    sys.stdout.flush()
    sys.stderr.flush()
    # In the place of this process: signals, the terminal and the exit code are the program's own.
    os.execve(  # noqa: S606 # no shell is wanted
        sys.executable, [sys.executable, "-m", MODULE, *ctx.args], environment
    )


SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""How typer passes everything on, `--help` included."""
