"""Which files a set of paths means, and what each is called in the store."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

SUPPORTED_SUFFIXES = frozenset({
    ".pdf", ".md", ".markdown", ".mdown", ".html", ".htm", ".xhtml", ".txt", ".text",
    ".docx", ".pptx", ".xlsx", ".csv", ".tsv", ".epub",
})  # fmt: skip
"""Endings of files taken from folders. A file that is named is sent whatever its ending: the server
looks at the content."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to ingest."""

    path: Path
    source: str
    """Its name in the store: below a folder, the path from that folder's parent on, with `/`; for a file
    named by itself, the file name."""


class Why(StrEnum):
    """Why something in a folder is left out."""

    KIND = "of a kind that is not read"
    HIDDEN = "hidden"
    LINK = "a link to a folder"
    NO_FILE = "no file, or a link to nothing"
    CLOSED = "a folder that cannot be opened"
    """What is in it nobody knows, so this is a failure."""


@dataclass(slots=True)
class Selection:
    """What a set of paths stands for."""

    files: list[FoundFile] = field(default_factory=list)
    """In order, each file once."""
    left_out: dict[Why, list[Path]] = field(default_factory=dict)
    """What was in folders and is not sent; of a folder that is left out only the folder itself."""

    def leave_out(self, why: Why, path: Path) -> None:
        """Notes that something is not sent."""
        self.left_out.setdefault(why, []).append(path)


class SelectionError(ValueError):
    """A path that means nothing, or two files of one name. The text is for people."""


def select(arguments: Sequence[str], source_prefix: str = "") -> Selection:
    """Finds the files behind paths, folders and glob patterns (`**` included).

    `source_prefix` goes before every source. Raises SelectionError for what does not exist and for two
    files that would get the same source, one of which would replace the other.
    """
    selection = Selection()
    seen: set[Path] = set()
    sources: dict[str, Path] = {}
    for argument in arguments:
        for found in _matches(argument, selection):
            resolved = found.path.resolve()
            if resolved in seen:
                continue
            seen.add(resolved)
            source = source_prefix + found.source
            if source in sources:
                raise SelectionError(
                    f"{sources[source]} and {found.path} would both be stored as {source!r}. "
                    "Name a folder above them, or ingest them apart with --source-prefix."
                )
            sources[source] = found.path
            selection.files.append(FoundFile(found.path, source))
    return selection


def _matches(argument: str, selection: Selection) -> Iterator[FoundFile]:
    if not argument.strip():
        # Of an unset variable, mostly; as a path it would be the current folder with all that is in it.
        raise SelectionError("A path is empty. The current folder is called `.`.")
    path = Path(argument)
    if path.is_dir():
        yield from _below(path, path, selection)
    elif path.exists():
        yield FoundFile(path, path.name)
    elif glob.has_magic(argument):
        yield from _globbed(argument, selection)
    else:
        raise SelectionError(f"{argument} does not exist.")


def _globbed(pattern: str, selection: Selection) -> Iterator[FoundFile]:
    # glob leaves hidden files out, unless the pattern asks for them.
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 # Path.glob takes no absolute pattern
    if not matches:
        raise SelectionError(f"Nothing matches {pattern}.")
    plain: list[str] = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        plain.append(part)
    root = Path(*plain)
    for match in map(Path, matches):
        if match.is_dir():
            continue  # its files match by themselves where the pattern means them
        if match.suffix.lower() in SUPPORTED_SUFFIXES:
            yield FoundFile(match, _source(match, root))
        else:
            selection.leave_out(Why.KIND, match)


def _below(folder: Path, root: Path, selection: Selection) -> Iterator[FoundFile]:
    def closed(error: OSError) -> None:
        selection.leave_out(Why.CLOSED, Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=closed):
        folders[:] = [name for name in sorted(folders) if _enters(Path(parent, name), selection)]
        for name in sorted(names):
            path = Path(parent, name)
            why = _why_not(path)
            if why is None:
                yield FoundFile(path, _source(path, root))
            else:
                selection.leave_out(why, path)


def _enters(folder: Path, selection: Selection) -> bool:
    """Whether a folder is searched through; one that is not is left out as a whole."""
    if folder.name.startswith("."):
        selection.leave_out(Why.HIDDEN, folder)
    elif folder.is_symlink():
        selection.leave_out(Why.LINK, folder)  # followed, it could lead round in a circle
    else:
        return True
    return False


def _why_not(path: Path) -> Why | None:
    if path.name.startswith("."):
        return Why.HIDDEN
    if path.suffix.lower() not in SUPPORTED_SUFFIXES:
        return Why.KIND
    return None if path.is_file() else Why.NO_FILE


def _source(path: Path, root: Path) -> str:
    # `.` and `..` have no name of their own; what they stand for has.
    name = root.absolute().resolve().name
    return "/".join(filter(None, [name, path.relative_to(root).as_posix()]))
