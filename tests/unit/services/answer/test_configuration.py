"""The digest of what answers depend on changes with it, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.answer.configuration import configuration_of
from services.answer.language.vectors import PieceVectors
from services.answer.prompts.manager import PromptManager
from services.answer.providers.extractive import ExtractiveProvider
from services.answer.settings import Settings

VECTORS = PieceVectors.load()


def digest(prompt_version: str = "v2", **changes: Any) -> str:
    settings = Settings(_env_file=None, **changes)
    prompts = PromptManager(default_version=prompt_version).versions()
    return configuration_of(ExtractiveProvider(VECTORS, max_sentences=2), settings, prompts)


@pytest.mark.parametrize(
    "change",
    [
        {"llm_temperature": 0.5},
        {"llm_max_tokens": 500},
        {"openai_model": "another"},
        {"openai_base_url": "http://127.0.0.1:1/v1"},
        {"evidence_threshold": 0.5},
        {"max_sentences": 3},
        {"prompt_version": "v1"},
    ],
)
def test_it_changes_with_what_answers_depend_on(change: dict[str, Any]) -> None:
    assert digest(**change) != digest()


@pytest.mark.parametrize(
    "change",
    [{}, {"port": 1}, {"log_level": "DEBUG"}, {"openai_api_key": "sk-1"}, {"anthropic_api_key": "k"}],
)
def test_it_is_the_same_wherever_and_under_whatever_key_the_service_runs(change: dict[str, Any]) -> None:
    assert digest(**change) == digest()


def test_it_changes_with_the_text_of_the_providers_file(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    entry = '[[provider]]\nname = "a"\nadapter = "openai"\nmodel = "m"\n'
    file.write_text(entry)
    before = digest(providers_file=file)
    file.write_text(entry + "temperature = 0.5\n")
    assert digest(providers_file=file) != before
