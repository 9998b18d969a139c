"""What is known of models: limits, prices, quirks of their API."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.answer.providers.protocol import Capabilities

PACKAGED_FILE = Path(__file__).with_name("models.toml")


class ModelSection(BaseModel):
    """A section of the file; fields as in Capabilities."""

    model_config = ConfigDict(extra="forbid", strict=True)

    context_window_tokens: int = Field(0, ge=0)
    max_output_tokens: int = Field(0, ge=0)
    input_micro_usd_per_million_tokens: int | None = Field(None, ge=0)
    output_micro_usd_per_million_tokens: int | None = Field(None, ge=0)
    cached_input_micro_usd_per_million_tokens: int | None = Field(None, ge=0)
    cache_write_micro_usd_per_million_tokens: int | None = Field(None, ge=0)
    accepts_temperature: bool = True
    native_citations: bool = False
    max_tokens_parameter: str = Field("max_tokens", pattern="^max_(completion_)?tokens$")


_FILE = TypeAdapter(dict[str, ModelSection])


class ModelCatalog:
    """Capabilities by model id; `sections` maps ids, or starts of ids, to what is known."""

    def __init__(self, sections: Mapping[str, Capabilities]) -> None:
        self._sections = dict(sections)

    def capabilities(self, model: str) -> Capabilities:
        """Of the longest section name `model` starts with; Capabilities() when there is none."""
        names = [name for name in self._sections if model.startswith(name)]
        return self._sections[max(names, key=len)] if names else Capabilities()


def load_models(user_file: Path | None = None) -> ModelCatalog:
    """The packaged catalogue, with sections of `user_file` (same form) in place of those of the same name.

    Raises ValueError, with the file's name and every fault, when a file cannot be read or is not valid.
    """
    sections = _read(PACKAGED_FILE)
    if user_file is not None:
        sections |= _read(user_file)
    return ModelCatalog(sections)


def _read(path: Path) -> dict[str, Capabilities]:
    try:
        sections = _FILE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"The models file {path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise ValueError(f"The models file {path} is not valid. {faults}") from None
    except ValueError as error:  # not UTF-8, not TOML
        raise ValueError(f"The models file {path} is not TOML: {error}") from None
    return {name: Capabilities(**section.model_dump()) for name, section in sections.items()}
