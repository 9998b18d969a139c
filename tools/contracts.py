"""Writes docs/contracts.md from the contracts and their comments: `make docs`.

What is read is a FileDescriptorSet with source info, as protoc makes it of protos/.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
    SourceCodeInfo,
)

from libs.errors import CODES, RETRYABLE, reason_from_name

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "contracts.md"
_PROTOS = ROOT / "protos"
_PACKAGE = "docuquery."
_REASONS = "ErrorReason"

# Field numbers of descriptor.proto; the paths of source info are made of them.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_MEMBERS = 2
"""Fields of a message, values of an enum, methods of a service: all have number 2."""

_PARTS = {
    "Public": ("gateway/v1/docuquery_service", "gateway/v1/admin_service"),
    "In more than one contract": ("common/v1/",),
    "Between the services": ("ingest/", "retrieval/", "answer/"),
}

_HEAD = """\
# Contracts

Made by `make docs` from `protos/` and the comments there; a test fails when it is out of date. The code for
it stands in `libs/gen` (`make proto`). Names stand here without the `docuquery.` of each package.

What is **public** is served by the gateway to callers with a key, by scope. What stands **between the
services** is not for callers: only the services speak it. Contracts only grow: `make proto-lint` compares
them with `protos/released.binpb`, and `tests/e2e/test_released_contract.py` calls with the released ones.

A field is *optional* where an absent one means something else than zero; fields of a *oneof* exclude each
other. How calls look on the wire: [grpcurl.md](grpcurl.md). Deadlines, limits, what may be sent again, and
callers in Go, Java and Python: [callers.md](callers.md).
"""


@cache
def files() -> Sequence[FileDescriptorProto]:
    """Every file below protos/, with its comments. Raises CalledProcessError when one does not compile."""
    sources = sorted(str(path.relative_to(_PROTOS)) for path in _PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "protos.binpb"
        options = ["-I", str(_PROTOS), "--include_source_info", f"--descriptor_set_out={out}"]
        subprocess.run(  # noqa: S603  # our own files
            [sys.executable, "-m", "grpc_tools.protoc", *options, *sources], check=True
        )
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


class Comments:
    """The comments of one file, by the path of what they stand above."""

    def __init__(self, info: SourceCodeInfo) -> None:
        self._at = {tuple(one.path): one for one in info.location}

    def of(self, *path: int) -> str:
        """The comment as one line; empty where there is none."""
        return _joined(self._at[path].leading_comments) if path in self._at else ""

    def paragraphs(self, *path: int) -> str:
        """The comment with its blank lines kept, what is indented in it as a block."""
        lines = self._at[path].leading_comments.rstrip().splitlines() if path in self._at else []
        shown: list[str] = []
        for line in (line.removeprefix(" ") for line in lines):
            if line.startswith("  ") and shown and shown[-1] and not shown[-1].startswith("    "):
                shown.append("")
            shown.append(f"  {line}" if line.startswith("  ") else line)
        return "\n".join(shown)

    def above(self, *path: int) -> str:
        """A comment that stands by itself before it, such as the heading of a group."""
        return " ".join(_joined(text).strip("- ") for text in self._at[path].leading_detached_comments)


def _joined(comment: str) -> str:
    return " ".join(comment.split()).replace("|", "\\|")


def document() -> str:
    """The text of docs/contracts.md."""
    parts = [_HEAD]
    for title, names in _PARTS.items():
        parts.append(f"## {title}\n")
        for name in names:
            for file in files():
                if file.name.startswith(_PACKAGE.replace(".", "/") + name):
                    parts += _file(file)
    return "\n".join(parts)


def _file(file: FileDescriptorProto) -> Iterator[str]:
    comments = Comments(file.source_code_info)
    package = file.package.removeprefix(_PACKAGE)
    for number, service in enumerate(file.service):
        yield from _service(service, package, comments, (_SERVICES, number))
    for number, message in enumerate(file.message_type):
        yield from _message(message, package, comments, (_MESSAGES, number))
    for number, enum in enumerate(file.enum_type):
        yield from _enum(enum, package, comments, (_ENUMS, number))


def _service(
    service: ServiceDescriptorProto, package: str, comments: Comments, at: tuple[int, ...]
) -> Iterator[str]:
    yield f"### {package}.{service.name}\n\n{comments.paragraphs(*at)}\n"
    rows = []
    for number, method in enumerate(service.method):
        asked = "stream of " * method.client_streaming + _link(method.input_type)
        given = "stream of " * method.server_streaming + _link(method.output_type)
        rows.append((f"`{method.name}`", asked, given, comments.of(*at, _MEMBERS, number)))
    yield _table(("method", "request", "response", "meaning"), rows)


def _message(
    message: DescriptorProto, package: str, comments: Comments, at: tuple[int, ...]
) -> Iterator[str]:
    yield f"### {package}.{message.name}\n\n{comments.paragraphs(*at)}\n"
    rows = []
    for number, field in enumerate(message.field):
        meaning = comments.of(*at, _MEMBERS, number)
        rows.append((f"`{field.name}`", str(field.number), _type(field, message), meaning))
    if rows:
        yield _table(("field", "no.", "type", "meaning"), rows)


def _type(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    """The type of a field as the contract writes it, with its label and the oneof it belongs to."""
    if entry := next((one for one in message.nested_type if field.type_name.endswith(f".{one.name}")), None):
        key, value = (_type(one, entry) for one in entry.field)
        return f"map of {key} to {value}"
    scalar = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    name = _link(field.type_name) if field.type_name else f"`{scalar}`"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"{name}, oneof `{message.oneof_decl[field.oneof_index].name}`"
    return name


def _enum(enum: EnumDescriptorProto, package: str, comments: Comments, at: tuple[int, ...]) -> Iterator[str]:
    yield f"### {package}.{enum.name}\n\n{comments.paragraphs(*at)}\n"
    if enum.name == _REASONS:
        yield from _reasons(enum, comments, at)
        return
    values = [
        (f"`{value.name}`", str(value.number), comments.of(*at, _MEMBERS, number))
        for number, value in enumerate(enum.value)
    ]
    yield _table(("value", "no.", "meaning"), values)


def _reasons(enum: EnumDescriptorProto, comments: Comments, at: tuple[int, ...]) -> Iterator[str]:
    """A table for each group, with code and retryability from the code that sends them."""
    columns = ("reason", "no.", "gRPC code", "retryable", "meaning")
    rows: list[Sequence[str]] = []
    for number, value in enumerate(enum.value):
        path = (*at, _MEMBERS, number)
        if heading := comments.above(*path):
            yield _table(columns, rows)
            yield f"**{heading[0].upper()}{heading[1:]}**\n"
            rows = []
        name = value.name.removeprefix("ERROR_REASON_")
        reason = reason_from_name(name)
        code = CODES[reason].name
        meaning = comments.of(*path).removeprefix(code).lstrip(",. ")
        retry = "yes" if reason in RETRYABLE else "no"
        rows.append((f"`{name}`", str(value.number), f"`{code}`", retry, meaning[:1].upper() + meaning[1:]))
    yield _table(columns, rows)


def _link(name: str) -> str:
    """A type as a link to its section; those of google.protobuf by name alone."""
    short = name.removeprefix(f".{_PACKAGE}")
    if short == name:
        return f"`{name.removeprefix('.')}`"
    return f"[{short.rpartition('.')[2]}](#{short.replace('.', '').lower()})"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]]) + "\n"


def main() -> None:
    """Writes the file."""
    FILE.write_text(document(), encoding="utf-8")
    sys.stdout.write(f"{FILE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
