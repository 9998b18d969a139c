"""The command line: `docuquery admin key`. Exit codes: 0 done, 1 refused, 2 usage."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from services.gateway.identity.api_keys import parse_api_keys
from services.gateway.identity.scopes import ALL_SCOPES, READ


def main(arguments: Sequence[str], make: Callable[[], str] = lambda: f"dq_{secrets.token_hex(32)}") -> int:
    """Adds a key to a list and prints it, the only time that it is seen; returns the exit code.

    `make` gives a new key, long and random.
    """
    options = _parser().parse_args(arguments)
    key = make()
    entry = {
        "tenant": options.tenant,
        "name": options.name,
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "scopes": options.scopes.split(","),
    }
    if options.rate_class:
        entry["rate_class"] = options.rate_class
    file: Path = options.file.resolve()  # a link stays one
    try:
        _write(file, json.dumps([*_listed(file), entry], indent=1) + "\n")
    except ValueError as fault:
        return _failed(f"{options.file}: {fault}")
    except OSError as fault:
        return _failed(f"{options.file}: {fault.strerror}")
    sys.stdout.write(f"{key}\n")
    sys.stderr.write(f"{options.file} holds its SHA-256. The key itself is kept nowhere: note it now.\n")
    return 0


def _listed(file: Path) -> list[dict[str, Any]]:
    """The entries that are there. Raises ValueError for a file that is no list of keys, and OSError."""
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return []
    parse_api_keys(text)
    entries: list[dict[str, Any]] = json.loads(text)
    return entries


def _write(file: Path, text: str) -> None:
    """Exchanges the file at one stroke: the gateway may be reading it. Raises ValueError for faulty entries.

    Its owner and mode stay, where this user may give them.
    """
    parse_api_keys(text)
    former = file.stat() if file.exists() else None
    with NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as written:
        new = Path(written.name)
        try:
            written.write(text)
            written.flush()
            os.fsync(written.fileno())
            if former is not None:
                with suppress(PermissionError):
                    os.fchown(written.fileno(), former.st_uid, former.st_gid)
                os.fchmod(written.fileno(), former.st_mode & 0o777)
            new.replace(file)
        except OSError:
            new.unlink(missing_ok=True)
            raise


def _failed(sentence: str) -> int:
    sys.stderr.write(f"error: {sentence}.\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docuquery admin key",
        description="Makes an API key, adds it to the list that API_KEYS_FILE names, and prints it. A "
        "running gateway takes it in within two seconds.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the list; made when it is not there")
    parser.add_argument("--tenant", required=True, help="whose documents it sees")
    parser.add_argument("--name", required=True, help="unique; stands in logs and counts for rate limits")
    known = ",".join(sorted(ALL_SCOPES))
    parser.add_argument("--scopes", default=READ, help=f"of {known}, with commas (default: {READ})")
    parser.add_argument("--rate-class", help="one of RATE_LIMIT_CLASSES")
    return parser
