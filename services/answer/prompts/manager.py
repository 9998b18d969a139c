"""Versioned prompts: folders of templates, all checked when the service starts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.hygiene import without_hidden
from services.answer.model import Outcome, Passage, Span, Turn
from services.answer.prompts import sanitise
from services.answer.prompts.not_found import NOT_FOUND_SENTENCE
from services.answer.providers.protocol import Document, Message, RenderedPrompt

PACKAGED_TEMPLATES = Path(__file__).parent / "templates"
"""The prompts that come with the service."""

_FILES = ("prompt.toml", "system.j2", "user.j2")
_NATIVE = "native.j2"


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A prompt as it is listed."""

    version: str
    """Its folder's name."""
    description: str
    """One sentence on what sets it apart."""
    sha256: str
    """Over its files' names and contents, hexadecimal."""
    is_default: bool
    """Whether it is used when a request names none."""


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A passage as templates see it; its texts are safe to put between delimiters."""

    number: int
    """1-based; what a marker `[n]` names."""
    filename: str
    title: str
    headings: str
    """Outermost first, joined by ` / `; empty when there are none."""
    pages: str
    """`3` or `3-4`; empty where the format has no pages."""
    text: str


@dataclass(frozen=True, slots=True)
class _Prompt:
    listed: PromptVersion
    system: Template
    user: Template
    native: Template | None
    """The system prompt for models that cite documents by themselves; None: this version has none."""


class PromptManager:
    """The prompts of one folder: each subfolder is a version with system.j2, user.j2 and prompt.toml.

    Templates see `question`, `sources` (list of PromptSource) and `not_found_sentence`. A version may have
    native.j2, too: the system prompt for models that cite documents by themselves.
    """

    def __init__(self, directory: Path | None = None, default_version: str = "") -> None:
        """Loads every version of `directory` (None: the packaged ones), compiles and test-renders it.

        An empty `default_version` means the highest. Raises ValueError that names the file at fault.
        """
        root = directory or PACKAGED_TEMPLATES
        if not root.is_dir():
            raise ValueError(f"prompt folder {root} does not exist")
        # Prompts are plain text: HTML escapes would reach the model as noise. `sanitise` does the escaping.
        self._environment = SandboxedEnvironment(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        folders = sorted(
            (path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))),
            key=lambda path: _natural(path.name),
        )
        if not folders:
            raise ValueError(f"prompt folder {root} holds no version (a subfolder such as v1)")
        self._default = default_version or folders[-1].name
        if self._default not in {folder.name for folder in folders}:
            raise ValueError(f"default prompt version {self._default!r} is not among {_names(folders)}")
        self._prompts = {folder.name: self._load(folder) for folder in folders}

    def versions(self) -> list[PromptVersion]:
        """All versions in natural order: v2 before v10."""
        return [prompt.listed for prompt in self._prompts.values()]

    def get(self, version: str = "") -> PromptVersion:
        """One version; empty means the default. Raises PROMPT_VERSION_NOT_FOUND."""
        return self._find(version).listed

    def render(
        self,
        version: str,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn] = (),
        *,
        native: bool = False,
    ) -> RenderedPrompt:
        """The prompt for `question` over `passages`, best first, after the turns of `history`, oldest first.

        With `native`, and where the version has native.j2, the passages are documents apart from the text.
        Raises PROMPT_VERSION_NOT_FOUND; INTERNAL when a template fails on these passages.
        """
        prompt = self._find(version)
        try:
            if native and prompt.native is not None:
                return _render_native(prompt.native, question, passages, history)
            return _render(prompt, question, passages, history)
        except TemplateError as error:
            raise DocuQueryError(
                reasons.ERROR_REASON_INTERNAL, "The prompt could not be written. Try another prompt version."
            ) from error

    def _find(self, version: str) -> _Prompt:
        prompt = self._prompts.get(version or self._default)
        if prompt is None:
            available = ", ".join(self._prompts)
            raise DocuQueryError(
                reasons.ERROR_REASON_PROMPT_VERSION_NOT_FOUND,
                f"There is no such prompt version. Use one of: {available}.",
                metadata={"available": available},
            )
        return prompt

    def _load(self, folder: Path) -> _Prompt:
        contents = {name: _read(folder / name) for name in _FILES}
        digest = sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            for part in (path.relative_to(folder).as_posix().encode(), path.read_bytes()):
                digest.update(len(part).to_bytes(8, "big") + part)  # lengths keep the parts apart
        listed = PromptVersion(
            version=folder.name,
            description=_description(folder / "prompt.toml", contents["prompt.toml"]),
            sha256=digest.hexdigest(),
            is_default=folder.name == self._default,
        )
        prompt = _Prompt(
            listed,
            self._compile(folder / "system.j2", contents["system.j2"]),
            self._compile(folder / "user.j2", contents["user.j2"]),
            self._compile(folder / _NATIVE, _read(folder / _NATIVE)) if (folder / _NATIVE).exists() else None,
        )
        for passages in ([], [_SPECIMEN]):
            try:
                if prompt.native is not None:
                    _render_native(prompt.native, "Is this a test?", passages, [_SPECIMEN_TURN])
                rendered = _render(prompt, "Is this a test?", passages, [_SPECIMEN_TURN])
            except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
                raise ValueError(f"prompt {folder} cannot be rendered: {error}") from error
        if _SPECIMEN.text not in rendered.messages[-1].text + rendered.system:
            raise ValueError(f"prompt {folder} leaves out the text of the sources")
        if "Is this a test?" not in rendered.messages[-1].text:
            raise ValueError(f"prompt {folder} leaves out the question")
        return prompt

    def _compile(self, path: Path, text: str) -> Template:
        try:
            return self._environment.from_string(text)
        except TemplateError as error:
            raise ValueError(f"{path}: {error}") from error


_SPECIMEN = Passage(
    document_id="d", filename="specimen.pdf", source="", version="1", chunk_id="c",
    text="This is the text of a specimen.", span=Span(0, 31, 0, 31), pages=(1, 2), headings=("One", "Two"),
    title="Specimen",
)  # fmt: skip
_SPECIMEN_TURN = Turn("q", "Was it?", "It was.", Outcome.ANSWERED, datetime(2000, 1, 1, tzinfo=UTC))


def _render(
    prompt: _Prompt, question: str, passages: Sequence[Passage], history: Sequence[Turn]
) -> RenderedPrompt:
    context: Mapping[str, object] = {
        "question": sanitise.document_text(question).strip(),
        "sources": [_source(number, passage) for number, passage in enumerate(passages, start=1)],
        "not_found_sentence": NOT_FOUND_SENTENCE,
    }
    user = Message("user", prompt.user.render(context).strip())
    return RenderedPrompt(prompt.system.render(context).strip(), (*_said(history), user))


def _render_native(
    system: Template, question: str, passages: Sequence[Passage], history: Sequence[Turn]
) -> RenderedPrompt:
    asked = sanitise.document_text(question).strip()
    context = {"question": asked, "sources": [], "not_found_sentence": NOT_FOUND_SENTENCE}
    documents = (_document(_source(number, passage)) for number, passage in enumerate(passages, start=1))
    messages = (*_said(history), Message("user", asked))
    return RenderedPrompt(system.render(context).strip(), messages, tuple(documents))


def _said(history: Sequence[Turn]) -> Iterator[Message]:
    for turn in history:
        yield Message("user", sanitise.document_text(turn.question))
        yield Message("assistant", without_hidden(turn.answer) or NOT_FOUND_SENTENCE)


def _document(source: PromptSource) -> Document:
    pages = f"pages {source.pages}" if source.pages else ""
    context = "; ".join(part for part in (source.title, source.headings, pages) if part)
    return Document(source.filename, context, source.text)


def _source(number: int, passage: Passage) -> PromptSource:
    pages = ""
    if passage.pages is not None:
        first, last = passage.pages
        pages = str(first) if first == last else f"{first}-{last}"
    return PromptSource(
        number=number,
        filename=sanitise.attribute(passage.filename),
        title=sanitise.attribute(passage.title),
        headings=" / ".join(sanitise.attribute(heading) for heading in passage.headings),
        pages=pages,
        text=sanitise.document_text(passage.text),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _description(path: Path, text: str) -> str:
    try:
        description = tomllib.loads(text).get("description")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(description, str) or not description.strip():
        raise ValueError(f"{path} needs a text `description`")
    return description.strip()


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key in which numbers inside a name compare as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _names(folders: Sequence[Path]) -> str:
    return ", ".join(folder.name for folder in folders)
