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
from services.retrieval.admin.reindex import finish, reindex
from services.retrieval.admin.reindex_report import JsonLines, Report, Sentences
from services.retrieval.admin.vectors import BATCHES_AT_ONCE, MAX_TRIES
from services.retrieval.reindexing.filler import SpaceFiller
from services.retrieval.reindexing.pace import Pace
from services.retrieval.reindexing.patience import Patience
from services.retrieval.reindexing.vectors import SpaceVectors
from services.retrieval.settings import Settings
from services.retrieval.store.edge.manifest import read_manifest
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.terms.bm25 import Bm25Encoder

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
        sys.stderr.write("Interrupted; the same command can be run again, and goes on where it was.\n")
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
            clock = SystemClock()
            report: Report = JsonLines(clock) if options.json else Sentences(clock)
            asyncio.run(_reindex(settings, report, options.rate, finishes=options.finish))
        case "migrate":
            asyncio.run(_migrate(settings, prune=options.prune))
    return 0


async def _reindex(settings: Settings, report: Report, rate: float, *, finishes: bool) -> None:
    # Imported late: the other commands need neither the embedders' libraries nor gRPC.
    from services.retrieval.app import EMBEDDERS, STORES, STORES_TO_FILL

    if settings.vector_store == "edge" and read_manifest(settings.data_dir) is None:
        raise AdminError(f"There is no store in {settings.data_dir}. Set DATA_DIR to that of the service.")
    clock = SystemClock()
    encoder = Bm25Encoder(settings.bm25_language)
    # `background` is for the service: here nothing is begun but by this command.
    settings = settings.model_copy(update={"reindex": "refuse"})
    stores_of = (STORES if finishes else STORES_TO_FILL)[settings.vector_store]
    async with (
        EMBEDDERS[settings.embedding_provider](settings, clock) as embedder,
        stores_of(settings, VectorSpace(embedder.name, embedder.dimensions, encoder.name), clock) as stores,
    ):
        filler = SpaceFiller(
            stores,
            SpaceVectors(embedder, encoder),
            clock,
            patience=Patience(clock, report.waits, MAX_TRIES),
            pace=Pace(clock, max_per_second=rate),
            batches_at_once=BATCHES_AT_ONCE,
            grace_seconds=settings.old_version_grace_seconds,
            on_progress=report.progress,
        )
        if finishes:
            await finish(stores, filler, report)
        else:
            await reindex(stores, filler, report, clock)


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
        "environment and .env; DATA_DIR names the embedded store). Stop the services before: an embedded "
        "store in use is refused.",
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
        description="On a Qdrant server the services go on meanwhile, with the former settings; with the "
        "embedded store stop the service, or have it do this itself by REINDEX=background. Interrupted, the "
        "same command goes on.",
    )
    command.add_argument(
        "--finish",
        action="store_true",
        help="delete the former vectors, which no process may be searching any more, or what was begun for "
        "other settings than the present ones",
    )
    command.add_argument(
        "--rate", metavar="N", type=_positive, default=0.0, help="embed at most so many chunks a second"
    )
    command.add_argument("--json", action="store_true", help="tell everything as lines of JSON")

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


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _failed(sentence: str) -> int:
    sys.stderr.write(f"error: {sentence}\n")
    return EXIT_FAILED
