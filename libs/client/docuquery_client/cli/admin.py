"""`docuquery admin`: looking after an installation.

`doctor` is this program's own. The other commands look after the store while no service uses it, sum what
answers cost, or make API keys; the services' own code does that, started by module name: this client knows
nothing of stores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from docuquery_client.cli.console import clean
from docuquery_client.cli.doctor import doctor
from docuquery_client.cli.session import EXIT_FAILED, fail
from docuquery_client.stack import services_environment
from docuquery_client.supervision import StackError

STORE_MODULE = "services.retrieval.admin"
STORE_COMMANDS = {
    "check": "Reads all of the store and compares; exits with 1 when something is wrong.",
    "compact": "Merges what many writes left in the embedded store, and builds the graph of large ones.",
    "backup": "Writes the embedded store to one file.",
    "restore": "Makes the store in a backup the one in DATA_DIR.",
    "migrate": "Copies the embedded store to a Qdrant server.",
    "reindex": "Embeds every stored chunk anew, by the settings there are now, and switches over.",
}
MODULES = {
    "key": ("services.gateway.identity", "Makes an API key for a caller."),
    "cost": ("services.answer.usage", "Sums the usage log: attempts, tokens, money."),
}
"""Commands that are not about the store, and who does them."""

app = typer.Typer(
    help="Looks after an installation: examines it, makes keys, sums costs; and, while the services are "
    "stopped, the store. Settings are those of the services (the environment and .env).",
    no_args_is_help=True,
)
app.command("doctor")(doctor)


def _program(*program: str) -> Callable[[typer.Context], None]:
    """A command that is a program of a service."""

    def run(ctx: typer.Context) -> None:
        try:
            environment = services_environment()
        except StackError as error:
            fail(clean(str(error)))
            raise typer.Exit(EXIT_FAILED) from None
        sys.stdout.flush()
        sys.stderr.flush()
        # In the place of this process: signals, the terminal and the exit code are the program's own.
        command = [sys.executable, "-m", *program, *ctx.args]
        os.execve(sys.executable, command, environment)  # noqa: S606 # no shell is wanted

    return run


_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Everything, `--help` included."""

for _name, (_module, _help) in MODULES.items():
    app.command(_name, help=_help, context_settings=_PASS_ON)(_program(_module))
for _name, _help in STORE_COMMANDS.items():
    app.command(_name, help=_help, context_settings=_PASS_ON)(_program(STORE_MODULE, _name))
