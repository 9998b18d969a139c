"""Backing up and restoring the data folder of the embedded store."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.admin import archive
from services.retrieval.admin.console import AdminError, Progress, counted, megabytes, note, say
from services.retrieval.admin.folder import Counts, held_store
from services.retrieval.store.edge.manifest import (
    Manifest,
    exclusive,
    new_manifest,
    read_fields,
    remove_unused,
    write_manifest,
)
from services.retrieval.store.edge.opening import edge_stores
from services.retrieval.store.walk import live_chunks, live_documents


def backup(folder: Path, file: Path, now: datetime) -> None:
    """Writes the whole store of `folder` to `file`, which must not exist.

    Raises AdminError, STORE_UNAVAILABLE while a service uses the folder, OSError.
    """
    if file.exists():
        raise AdminError(f"{file} exists. Choose another name, or remove it.")
    with held_store(folder) as manifest:
        root = folder / manifest.folder
        root.mkdir(exist_ok=True)
        # Opening brings what stands only in the engine's log into its files, and shows that they can be read.
        counts = asyncio.run(_counts(folder, manifest))
        progress = Progress(2 * sum(p.stat().st_size for p in root.rglob("*") if p.is_file()), "bytes")
        folders, members = archive.list_folder(root, progress.advance)
        contents = archive.Contents(
            archive.FORMAT,
            now.isoformat(timespec="seconds"),
            manifest.to_fields(),
            counts,
            folders,
            members,
        )
        with _whole_file(file) as partial, partial.open("xb") as out:
            partial.chmod(0o600)  # it holds everybody's documents
            archive.write(out, root, contents, progress.advance)
            out.flush()
            os.fsync(out.fileno())
        progress.finish()
    size = megabytes(file.stat().st_size)
    say(f"Backed up {_described(counts)} to {file} ({size}, {len(members)} files).")


def restore(folder: Path, file: Path, *, replace_present: bool) -> None:
    """Makes the store of `file` the one of `folder`, which must hold none, unless `replace_present`.

    The present store is exchanged by one rename, after everything was checked. Raises AdminError,
    STORE_UNAVAILABLE while a service uses the folder, OSError.
    """
    if not file.is_file():
        raise AdminError(f"There is no file {file}.")
    with exclusive(folder), archive.opened(file) as reader:
        has_store = (folder / "store.json").exists() or any((folder / "tenants").glob("*"))
        if has_store and not replace_present:
            raise AdminError(f"{folder} holds a store. Set DATA_DIR to another folder, or add --replace.")
        contents = reader.contents
        manifest = _manifest(file, contents)
        root = folder / manifest.folder
        progress = Progress(contents.size, "bytes")
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, root, ignore_errors=True)
            root.mkdir()
            reader.extract(root, progress.advance)
            progress.finish()
            found = asyncio.run(_counts(folder, manifest))
            if found != contents.counts:
                raise AdminError(
                    f"{file} says it holds {_described(contents.counts)}, but {_described(found)} were "
                    "found. Nothing was changed. Use another backup."
                )
            os.sync()
            write_manifest(folder, manifest)
            undo.pop_all()
        remove_unused(folder)
    say(f"Restored {_described(contents.counts)} of {contents.create_time} to {folder}.")
    note(f"They were embedded by {manifest.space.embedder}: the settings of the service must name the same.")


def _manifest(file: Path, contents: archive.Contents) -> Manifest:
    """The manifest of the restored store: that of the backup, in a folder of its own."""
    try:
        stored = read_fields(contents.store, str(file))
    except DocuQueryError as error:
        raise AdminError(f"{error.message} Restore it by the program that made it.") from error
    return replace(stored, folder=new_manifest(stored.space).folder)


async def _counts(folder: Path, manifest: Manifest) -> Counts:
    try:
        async with edge_stores(folder, manifest) as stores:
            tenants = await stores.upkeep.tenants()
            return Counts(
                len(tenants), await live_documents(stores, tenants), await live_chunks(stores, tenants)
            )
    except (ValueError, KeyError) as error:
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            f"The store in {folder / manifest.folder} cannot be read: {error}. Restore the last backup.",
        ) from error


@contextmanager
def _whole_file(file: Path) -> Iterator[Path]:
    """A path to write to, renamed to `file` in the end, removed when anything fails."""
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _described(counts: Counts) -> str:
    documents, chunks = counted(counts.documents, "document"), counted(counts.chunks, "chunk")
    return f"{documents}, {chunks} of {counted(counts.tenants, 'tenant')}"
