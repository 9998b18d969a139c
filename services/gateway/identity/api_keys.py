"""API keys as an operator configures them: never the key, only its SHA-256.

A list in JSON, in API_KEYS itself or in the file API_KEYS_FILE names:

    [{"tenant": "acme", "name": "backend", "sha256": "<64 hex digits>", "scopes": ["read", "write"],
      "rate_class": "batch"}]

`rate_class`, one of RATE_LIMIT_CLASSES, may be left out.

The digest of a key: `printf %s "$KEY" | sha256sum`. A key must be long and random (32 random bytes, say),
because a plain digest does not slow down guessing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from libs.rpc.context import is_valid_tenant
from services.gateway.identity.scopes import ALL_SCOPES


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key's owner and rights."""

    tenant: str
    name: str
    """For logs and rate limits; unique."""
    digest: bytes
    """SHA-256 of the key, 32 bytes."""
    scopes: frozenset[str]
    rate_class: str = ""
    """One of RATE_LIMIT_CLASSES; empty: RATE_LIMIT_REQUESTS holds."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    tenant: str
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")
    scopes: list[str] = Field(min_length=1)
    rate_class: str = ""

    @field_validator("tenant")
    @classmethod
    def _tenant(cls, value: str) -> str:
        if not is_valid_tenant(value):
            raise ValueError("must be 1 to 64 characters of [A-Za-z0-9._-]")
        return value

    @field_validator("scopes")
    @classmethod
    def _scopes(cls, value: list[str]) -> list[str]:
        unknown = set(value) - ALL_SCOPES
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(ALL_SCOPES))}")
        return value


_ENTRIES = TypeAdapter(list[_Entry])


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """The keys of a JSON list. Raises ValueError, which names the faults and no secret."""
    try:
        entries = _ENTRIES.validate_python(json.loads(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("not a list of keys: nested too deeply") from None
    except ValidationError as error:
        faults = (
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ValueError("; ".join(faults)) from None
    keys = tuple(
        ApiKey(
            entry.tenant,
            entry.name,
            bytes.fromhex(entry.sha256),
            frozenset(entry.scopes),
            entry.rate_class,
        )
        for entry in entries
    )
    _require_unique([key.name for key in keys], "name")
    _require_unique([key.digest.hex()[:8] for key in keys], "sha256")
    return keys


def load_api_keys(
    inline: str, file: Path | None, rate_classes: Collection[str] | None = None
) -> tuple[ApiKey, ...]:
    """The keys of both settings together; `rate_classes`: those there are, None: do not check.

    Raises ValueError.
    """
    text = ""
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read {file}: {type(error).__name__}") from None
        if not text.strip():
            # As a file looks that is just being written: taken for a list, it would lock everybody out.
            raise ValueError(f"{file} is empty; a list without keys is []")
    keys = (
        *(parse_api_keys(inline) if inline.strip() else ()),
        *(parse_api_keys(text) if text else ()),
    )
    _require_unique([key.name for key in keys], "name")
    _require_unique([key.digest.hex()[:8] for key in keys], "sha256")
    for key in keys:
        if rate_classes is not None and key.rate_class and key.rate_class not in rate_classes:
            raise ValueError(
                f"{key.name}: rate_class {key.rate_class!r} is not one of RATE_LIMIT_CLASSES "
                f"({', '.join(sorted(rate_classes)) or 'none'})"
            )
    return keys


def _require_unique(values: Sequence[str], what: str) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"each {what} may stand only once: {', '.join(twice)}")
