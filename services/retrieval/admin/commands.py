"""The command line: `docuquery admin COMMAND`.

Exit codes: 0 done, 1 refused or something is wrong, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from libs.clock import SystemClock
from libs.errors import DocuQueryError
from libs.logging import configure_logging
from libs.settings import load_settings
from services.retrieval.admin.backup import backup, restore
from services.retrieval.admin.check_command import check
from services.retrieval.admin.compact import compact
from services.retrieval.admin.console import AdminError
from services.retrieval.admin.migrate import migrate
from services.retrieval.admin.parent import end_with
from services.retrieval.admin.reindex import prepare, reindex
from services.retrieval.settings import Settings
from services.retrieval.sparse import Bm25Encoder

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Does one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "migrate" and options.to_url:
        os.environ["QDRANT_URL"] = options.to_url  # checked as the setting it stands for
    settings = load_settings(Settings)
    configure_logging("WARNING", settings.log_format, "admin")
    try:
        return _run(options, settings)
    except DocuQueryError as error:
        return _failed(error.message)
    except AdminError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(f"{error.strerror or error}: {error.filename or 'a file of the store'}.")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; the store is as it was. The same command can be run again.\n")
        return EXIT_INTERRUPTED


def _run(options: argparse.Namespace, settings: Settings) -> int:
    folder = settings.data_dir
    match options.command:
        case "compact":
            if options.parent is not None:
                end_with(options.parent)
            compact(folder, options.tenant)
        case "backup":
            backup(folder, options.file, SystemClock().now())
        case "restore":
            restore(folder, options.file, replace_present=options.replace)
        case "check":
            return asyncio.run(check(folder, settings.edge_warn_chunks))
        case "reindex":
            if options.copy is not None and options.copy.resolve() == folder.resolve():
                raise AdminError("--from names the data folder itself. Name a copy of it.")
            asyncio.run(_reindex(settings, options.copy))
        case "migrate":
            asyncio.run(_migrate(settings, prune=options.prune))
    return 0


async def _reindex(settings: Settings, copy: Path | None) -> None:
    # Imported late: the other commands need neither the embedders' libraries nor gRPC.
    from services.retrieval.app import EMBEDDERS

    encoder = Bm25Encoder(settings.bm25_language)
    async with EMBEDDERS[settings.embedding_provider](settings, SystemClock()) as embedder:
        if copy is None:
            await reindex(settings.data_dir, embedder, encoder)
        else:
            await prepare(settings.data_dir, copy, embedder, encoder)


async def _migrate(settings: Settings, *, prune: bool) -> None:
    from services.retrieval.app import EMBEDDERS, STORES

    clock = SystemClock()
    encoder = Bm25Encoder(settings.bm25_language)
    async with EMBEDDERS[settings.embedding_provider](settings, clock) as embedder:
        await migrate(
            settings.data_dir,
            lambda space: STORES["qdrant"](settings, space, clock),
            embedder,
            encoder,
            prune=prune,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docuquery admin",
        description="Looks after the store of the retrieval service, with that service's settings (the "
        "environment and .env; DATA_DIR names the store). Stop the services before: one in use is refused.",
        epilog="`docuquery admin doctor` examines the whole installation, running or not.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "compact", help="merge what many writes left and build the graph that makes large stores fast"
    )
    command.add_argument("--tenant", metavar="TENANT", help="only this tenant (default: all)")
    command.add_argument("--parent", type=int, help=argparse.SUPPRESS)  # the service that waits for it

    command = commands.add_parser("backup", help="write the whole store to one file")
    command.add_argument("file", metavar="FILE", type=Path, help="made new, a gzipped tar")

    command = commands.add_parser("restore", help="make the store in a backup the one in DATA_DIR")
    command.add_argument("file", metavar="FILE", type=Path)
    command.add_argument(
        "--replace", action="store_true", help="put it in the place of the store that is there"
    )

    commands.add_parser("check", help="read everything and compare; exit code 1 when something is wrong")

    command = commands.add_parser(
        "reindex",
        help="embed every stored chunk anew, by the embedder and language of the settings, and switch over",
        description="Fills a second store beside the present one and switches over by one rename. "
        "Interrupted, the same command goes on.",
    )
    command.add_argument(
        "--from",
        dest="copy",
        metavar="COPY",
        type=Path,
        help="fill it from a copy of DATA_DIR, while the services go on, and do not switch; a later "
        "`reindex` brings over what has changed since, and switches",
    )

    command = commands.add_parser(
        "migrate",
        help="copy the store to a Qdrant server, with its vectors",
        description="The server's settings are those of the service (QDRANT_...). Run again, it brings over "
        "what has changed since. The embedded store stays as it is.",
    )
    command.add_argument(
        "--to-url", metavar="URL", help="nodes of the server, as in QDRANT_URL (default: that setting)"
    )
    command.add_argument(
        "--prune", action="store_true", help="remove what the server has besides, of the tenants copied"
    )
    return parser


def _failed(sentence: str) -> int:
    sys.stderr.write(f"error: {sentence}\n")
    return EXIT_FAILED
