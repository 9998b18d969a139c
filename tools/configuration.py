"""Writes docs/configuration.md and .env.example from the settings of the four services: `make docs`.

The meaning of a setting is the docstring below its field, so it is written once, beside the code it speaks
of.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from libs.profiles import PROFILES, RULES
from libs.settings import ServiceSettings
from services.answer.settings import Settings as AnswerSettings
from services.gateway.settings import Settings as GatewaySettings
from services.ingest.settings import Settings as IngestSettings
from services.retrieval.settings import Settings as RetrievalSettings

ROOT = Path(__file__).parents[1]
SERVICES: dict[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "ingest": IngestSettings,
    "retrieval": RetrievalSettings,
    "answer": AnswerSettings,
}
_WIDTH = 100

_ENV_HEAD = """\
# Every setting, with its default. Copy this file to .env and change what you need; variables of the
# environment win over it. Durations are in seconds, sizes in bytes.
# Made by `make docs` from the settings.py of the services.
"""

_DOC_HEAD = """\
# Configuration

Made by `make docs` from the settings of the four services; a test fails when it is out of date.

A setting is an environment variable, or a line of a `.env` file in the working directory; the environment
wins. What neither sets comes from the profile, and what that does not set has the default below. Durations
are in seconds, sizes in bytes, and an empty value counts as not set. When settings are wrong a service says
so at start, all of them at once, and exits with 2. A name that is nearly that of a setting (`RETRIEVAL_TOPK`)
is told in the log (`not_a_setting`). `docuquery admin doctor` checks all of it on the machine it runs on.

## Profiles

`PROFILE`, or `docuquery up --profile`, names a set of defaults.

"""

_DOC_REST = """
## Of the command line

`docuquery` reads `DOCUQUERY_ADDRESS`, `DOCUQUERY_API_KEY`, `DOCUQUERY_TLS`, `DOCUQUERY_CA`, `DOCUQUERY_CERT`,
`DOCUQUERY_KEY` and `DOCUQUERY_SERVER_NAME`, the options of the same names (`docuquery --help`).

## Of OpenTelemetry

Traces are set up by OpenTelemetry's own variables, see [telemetry.md](telemetry.md).
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the tables."""

    variable: str
    default: str
    """As it is written in an environment file; empty when there is none."""
    allowed: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """The settings of one service, or those of all."""

    title: str
    settings: Sequence[Setting]


def sections() -> list[Section]:
    """Everything that can be set; what several services read stands where it comes first."""
    shared = set(ServiceSettings.model_fields) - _given_by_each()
    found = [Section("all services", [_setting(ServiceSettings, name) for name in _ordered(shared)])]
    seen = {setting.variable for setting in found[0].settings}
    for service, settings in SERVICES.items():
        own = [_setting(settings, name) for name in settings.model_fields if name not in shared]
        found.append(Section(service, [one for one in own if one.variable not in seen]))
        seen |= {one.variable for one in own}
    return found


def _given_by_each() -> set[str]:
    """Shared fields each service has a variable of its own for, as its port."""
    return {name for name, field in ServiceSettings.model_fields.items() if field.validation_alias is None}


def _ordered(names: set[str]) -> list[str]:
    return [name for name in ServiceSettings.model_fields if name in names]


def _setting(settings: type[ServiceSettings], name: str) -> Setting:
    field = settings.model_fields[name]
    return Setting(str(field.validation_alias), _shown(field), _allowed(field), _meanings(settings)[name])


@cache
def _meanings(settings: type[ServiceSettings]) -> dict[str, str]:
    return {key: text for base in reversed(settings.__mro__) for key, text in _docstrings(base)}


def _docstrings(settings: type) -> Iterator[tuple[str, str]]:
    """Each field of the class with the string below it, on one line."""
    if not issubclass(settings, ServiceSettings):
        return
    [body] = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(body, ast.ClassDef)
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            yield field.target.id, " ".join(str(below.value.value).split())


def _shown(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is None:
        return ""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return str(default).lower() if isinstance(default, bool) else str(default)


def _allowed(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    limits = {type(item).__name__: item for item in field.metadata}
    low = (
        [f"≥ {limits['Ge'].ge:g}"] if "Ge" in limits else [f"> {limits['Gt'].gt:g}"] if "Gt" in limits else []
    )
    high = [f"≤ {limits['Le'].le:g}"] if "Le" in limits else []
    if kind in (int, float):
        return ", ".join([{int: "integer", float: "number"}[kind], *low, *high])
    if kind is SecretStr:
        return "secret"
    return "file or folder" if Path in (kind, *get_args(kind)) else "text"


def env_example() -> str:
    """The text of .env.example."""
    parts = [_ENV_HEAD]
    for section in sections():
        parts.append(f"# --- {section.title} ---\n")
        for one in section.settings:
            comment = textwrap.fill(
                one.meaning,
                _WIDTH,
                initial_indent="# ",
                subsequent_indent="# ",
                break_on_hyphens=False,
                break_long_words=False,
            )
            parts.append(f"{comment}\n#{one.variable}={one.default}\n")
    return "\n".join(parts)


def document() -> str:
    """The text of docs/configuration.md."""
    parts = [_DOC_HEAD, _profiles()]
    for section in sections():
        title = "All services" if section.title == "all services" else section.title.capitalize()
        parts.append(f"\n## {title}\n\n| variable | default | values | meaning |\n|---|---|---|---|\n")
        for one in section.settings:
            default = f"`{one.default}`" if one.default else ""
            meaning = one.meaning.replace("|", "\\|")
            parts.append(f"| `{one.variable}` | {default} | {one.allowed} | {meaning} |\n")
    return "".join([*parts, _DOC_REST])


def _profiles() -> str:
    lines = ["| profile | sets | refuses |", "|---|---|---|"]
    for name, values in PROFILES.items():
        sets = ", ".join(f"`{variable}={value}`" for variable, value in values.items()) or "nothing"
        lines.append(f"| `{name}` | {sets} | {RULES[name] or 'nothing more than all do'} |")
    return "\n".join(lines) + "\n"


FILES = {ROOT / ".env.example": env_example, ROOT / "docs" / "configuration.md": document}


def main() -> None:
    """Writes both files."""
    for path, text in FILES.items():
        path.write_text(text(), encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
