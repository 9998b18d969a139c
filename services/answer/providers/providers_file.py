"""Any number of providers, from a TOML file that holds no secret.

    [[provider]]
    name = "fast"
    adapter = "openai"
    model = "gpt-5.4-mini"
    api_key = "env:OPENAI_API_KEY"

Every key is explained in docs/providers.md.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.answer.providers.models import ModelSection
from services.answer.providers.spec import CONNECT_SECONDS, Endpoint, ProviderSpec, faults_of

Variable = Callable[[str], str | None]
"""Looks up an environment variable; None when it is not set."""

_BY_VARIABLE, _BY_FILE = "env:", "file:"
_ALWAYS_SECRET = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie"})


class _Entry(ModelSection):
    """One `[[provider]]`. The fields of the models file may stand here, too."""

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str
    adapter: str
    model: str
    base_url: str = ""
    api_key: str = ""
    api_key_header: str = ""
    organization: str = ""
    project: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: float = Field(math.inf, gt=0)
    connect_seconds: float = Field(CONNECT_SECONDS, gt=0)
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=16, le=100_000)
    use_native_citations: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: list[_Entry] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class ProvidersFile:
    """What a file describes."""

    specs: tuple[ProviderSpec, ...] = ()
    """In the order of the file."""
    key_variables: frozenset[str] = frozenset()
    """Environment variables keys were taken from."""


def load_providers(path: Path, variable: Variable) -> ProvidersFile:
    """Reads a providers file and the secrets it refers to; relative paths count from its folder.

    Raises ValueError with every fault; it shows no secret, and nothing that stands where one should be
    referred to.
    """
    entries = _read(path)
    faults: list[str] = []
    specs: list[ProviderSpec] = []
    variables: set[str] = set()
    for index, entry in enumerate(entries):
        secrets = _Secrets(path.parent, variable)
        spec = _spec(entry, secrets)
        specs.append(spec)
        variables |= secrets.variables
        found = [*secrets.faults, *faults_of(spec)]
        faults += [f"provider[{index}] {entry.name!r}: {fault}" for fault in found]
    names = [spec.name for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"names must be unique; given more than once: {', '.join(twice)}")
    if faults:
        raise ValueError(f"{path}: {'; '.join(faults)}")
    return ProvidersFile(tuple(specs), frozenset(variables))


class _Secrets:
    """Resolves the references of one entry and collects what is wrong with them."""

    def __init__(self, folder: Path, variable: Variable) -> None:
        self._folder = folder
        self._variable = variable
        self.faults: list[str] = []
        self.variables: set[str] = set()

    def resolve(self, field: str, written: str, *, secret: bool) -> str:
        """The value a reference stands for; `written` itself where no secret is expected."""
        if written.startswith(_BY_VARIABLE):
            name = written.removeprefix(_BY_VARIABLE)
            self.variables.add(name)
            value = (self._variable(name) or "").strip()
            if not value:
                self.faults.append(f"{field}: the environment variable {name} is not set")
            return value
        if written.startswith(_BY_FILE):
            return self._from_file(field, self._folder / written.removeprefix(_BY_FILE))
        if secret and written:
            self.faults.append(f"{field}: must be env:NAME or file:PATH; a secret has no place in this file")
            return ""
        return written

    def _from_file(self, field: str, path: Path) -> str:
        try:
            value = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.faults.append(f"{field}: the file {path} cannot be read ({type(error).__name__})")
            return ""
        if not value:
            self.faults.append(f"{field}: the file {path} is empty")
        return value


def _spec(entry: _Entry, secrets: _Secrets) -> ProviderSpec:
    headers = {
        name: secrets.resolve(f"headers.{name}", value, secret=name.lower() in _ALWAYS_SECRET)
        for name, value in entry.headers.items()
    }
    endpoint = Endpoint(
        api_key=secrets.resolve("api_key", entry.api_key, secret=True),
        base_url=entry.base_url.strip() or None,
        api_key_header=entry.api_key_header,
        headers={name: value for name, value in headers.items() if value},
        query=entry.query,
        body=entry.body,
        timeout_seconds=entry.timeout_seconds,
        connect_seconds=entry.connect_seconds,
    )
    return ProviderSpec(
        name=entry.name,
        adapter=entry.adapter,
        model=entry.model,
        endpoint=endpoint,
        organization=entry.organization or None,
        project=entry.project or None,
        temperature=entry.temperature,
        max_tokens=entry.max_tokens,
        native_citations=entry.use_native_citations,
        known=entry.model_dump(include=set(ModelSection.model_fields), exclude_unset=True),
    )


def _read(path: Path) -> list[_Entry]:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).provider
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ValueError(f"{path}: {faults}") from None
    except ValueError as error:  # not UTF-8, not TOML
        raise ValueError(f"{path} is not TOML: {error}") from None
