"""What is known of models, and how a user corrects it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.answer.providers.models import ModelCatalog, load_models
from services.answer.providers.protocol import Capabilities


def test_the_longest_name_a_model_starts_with_counts() -> None:
    catalog = ModelCatalog({"a": Capabilities(1), "a-b": Capabilities(2), "a-b-c": Capabilities(3)})
    assert [catalog.capabilities(m).context_window_tokens for m in ("a-x", "a-b-2026", "a-b-cd")] == [1, 2, 3]


def test_of_an_unknown_model_nothing_is_claimed() -> None:
    assert load_models().capabilities("llama-of-mine") == Capabilities()


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4.1", "gpt-5-mini", "o3", "claude-haiku-4-5-20251001"])
def test_the_packaged_file_knows_the_limits_of_common_models(model: str) -> None:
    known = load_models().capabilities(model)
    assert known.context_window_tokens > known.max_output_tokens > 0


@pytest.mark.parametrize("model", ["gpt-5.4-mini", "gpt-6-sol", "o4-mini"])
def test_reasoning_models_are_sent_no_temperature_and_their_own_limit(model: str) -> None:
    known = load_models().capabilities(model)
    assert not known.accepts_temperature
    assert known.max_tokens_parameter == "max_completion_tokens"


def test_a_users_section_replaces_the_packaged_one_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('["gpt-4o"]\ncontext_window_tokens = 5\n["mine"]\nmax_output_tokens = 6\n')
    catalog = load_models(file)
    assert catalog.capabilities("gpt-4o-mini") == Capabilities(context_window_tokens=5)
    assert catalog.capabilities("mine-1") == Capabilities(max_output_tokens=6)
    assert catalog.capabilities("gpt-4.1") == load_models().capabilities("gpt-4.1")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('["m"]\ncontext_windw_tokens = 5\n', "context_windw_tokens"),
        ('["m"]\ncontext_window_tokens = -5\n', "context_window_tokens"),
        ('["m"]\ncontext_window_tokens = "5"\n', "context_window_tokens"),
        ('["m"]\nmax_tokens_parameter = "n"\n', "max_tokens_parameter"),
        ("not toml", "TOML"),
        ("m = 1\n", "m"),
    ],
)
def test_a_faulty_file_is_refused_with_its_name_and_the_fault(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "models.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=named) as caught:
        load_models(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        load_models(tmp_path / "none.toml")
