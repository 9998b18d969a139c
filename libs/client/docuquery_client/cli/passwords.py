"""The password of encrypted files, by ways that keep it out of the process list and the shell's history."""

from __future__ import annotations

import os
import warnings
from getpass import GetPassWarning
from pathlib import Path

import typer

PASSWORD_VARIABLE = "DOCUQUERY_PASSWORD"  # noqa: S105 - the variable's name


class PasswordError(ValueError):
    """The password cannot be had as asked for. The text is for people."""


def document_password(*, ask: bool, file: Path | None) -> str:
    """The password: typed in when `ask`, else the first line of `file`, else DOCUQUERY_PASSWORD, else empty.

    Raises PasswordError.
    """
    if ask and file is not None:
        raise PasswordError("--password and --password-file exclude each other.")
    if ask:
        return _typed()
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        with file.open(encoding="utf-8") as lines:
            password = lines.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise PasswordError(f"--password-file: {file}: {reason}.") from None
    if not password:
        raise PasswordError(f"--password-file: {file}: its first line is empty.")
    return password


def _typed() -> str:
    with warnings.catch_warnings():
        # Where there is no terminal to hide it at, it would be read from standard input, after a warning.
        warnings.simplefilter("error", GetPassWarning)
        try:
            typed: str = typer.prompt("Password of the encrypted files", hide_input=True, err=True)
        except GetPassWarning:
            typer.echo(err=True)  # ends the line of the question, which is out already
            raise PasswordError(
                f"--password: there is no terminal to ask at. Give --password-file, or {PASSWORD_VARIABLE}."
            ) from None
    return typed
