"""A file of providers: whatever is wrong with it is told at once, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.settings import describe_faults
from services.answer.providers.models import load_models
from services.answer.providers.providers_file import load_providers
from services.answer.providers.registry import build_providers
from services.answer.settings import Settings

KEY = "sk-secret-0123456789"
VARIABLES = {"FAST_KEY": KEY, "TEAM": "search", "GATEWAY_TOKEN": "token-of-the-gateway"}

WHOLE = """
[[provider]]
name = "fast"
adapter = "openai"
model = "gpt-4o-mini"
api_key = "env:FAST_KEY"
organization = "org-1"
project = "p-1"

[[provider]]
name = "azure"
adapter = "openai"
model = "my-deployment"
base_url = "https://unit.openai.azure.com/openai/deployments/my-deployment"
api_key = "file:keys/azure"
api_key_header = "api-key"
headers = { x-team = "env:TEAM", x-plain = "as it stands" }
query = { api-version = "2024-10-21" }
body = { reasoning_effort = "low" }
timeout_seconds = 20
connect_seconds = 1.5
temperature = 0.5
max_tokens = 300
context_window_tokens = 32_000
input_micro_usd_per_million_tokens = 150_000
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "providers.toml"
    file.write_text(text)
    return file


def test_every_setting_reaches_its_provider(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "azure").write_text(f"{KEY}-2\n")
    read = load_providers(write(tmp_path, WHOLE), VARIABLES.get)
    fast, azure = read.specs
    assert (fast.name, fast.adapter, fast.model) == ("fast", "openai", "gpt-4o-mini")
    assert (fast.endpoint.api_key, fast.organization, fast.project) == (KEY, "org-1", "p-1")
    assert (fast.temperature, fast.max_tokens, fast.known) == (None, None, {})
    endpoint = azure.endpoint
    assert endpoint.api_key == f"{KEY}-2"
    assert endpoint.base_url == "https://unit.openai.azure.com/openai/deployments/my-deployment"
    assert endpoint.api_key_header == "api-key"
    assert endpoint.headers == {"x-team": "search", "x-plain": "as it stands"}
    assert (endpoint.query, endpoint.body) == ({"api-version": "2024-10-21"}, {"reasoning_effort": "low"})
    assert (endpoint.timeout_seconds, endpoint.connect_seconds) == (20, 1.5)
    assert (azure.temperature, azure.max_tokens) == (0.5, 300)
    assert read.key_variables == {"FAST_KEY", "TEAM"}
    assert KEY not in repr(read)


async def test_what_the_file_knows_of_a_model_wins_over_the_models_file(tmp_path: Path) -> None:
    text = WHOLE.replace("my-deployment", "gpt-4o").replace("file:keys/azure", "env:FAST_KEY")
    built = build_providers(load_providers(write(tmp_path, text), VARIABLES.get).specs, load_models())
    known = built["azure"].capabilities
    assert known.context_window_tokens == 32_000
    assert known.input_micro_usd_per_million_tokens == 150_000
    assert known.max_output_tokens == load_models().capabilities("gpt-4o").max_output_tokens
    for provider in built.values():
        await provider.aclose()


MINIMAL = 'name = "a"\nadapter = "openai"\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f'api_key = "{KEY}"', "api_key: must be env:NAME or file:PATH"),
        (f'headers = {{ Authorization = "Bearer {KEY}" }}', "headers.Authorization: must be env:NAME"),
        ('api_key = "env:NOWHERE"', "the environment variable NOWHERE is not set"),
        ('api_key = "file:none"', r"none cannot be read \(FileNotFoundError\)"),
        ('base_url = "localhost:8000"', "base_url: must begin with http"),
        ('base_url = "http://user:pw@host/v1"', "base_url: must hold no user"),
        ('base_url = "http://host/v1?api-version=1"', "base_url: must hold no user, query"),
        ('headers = { "bad name" = "x" }', "'bad name' is no name of a header"),
        ('headers = { x = "line\\nbreak" }', "headers.x: must be printable"),
        ('body = { model = "other", stream = false }', "body: model, stream cannot be set here"),
        ("timeout_seconds = 0", "timeout_seconds"),
        ("temperature = 3", "temperature"),
        ("context_window_tokens = -1", "context_window_tokens"),
        ('secret = "x"', "secret"),
    ],
)
def test_a_fault_is_named_and_nothing_secret_is_shown(tmp_path: Path, line: str, fault: str) -> None:
    file = write(tmp_path, f"[[provider]]\n{MINIMAL}{line}\n")
    with pytest.raises(ValueError, match=fault) as caught:
        load_providers(file, VARIABLES.get)
    assert str(file) in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "provider: Field required"),
        ("provider = []", "provider"),
        ("[[provider]]\n" + MINIMAL + "[[provider]]\n" + MINIMAL, "more than once: a"),
        ("[[provider]]\n" + MINIMAL.replace('"a"', '"extractive"'), "needs no model"),
        ("[[provider]]\n" + MINIMAL.replace("openai", "other"), "must be one of openai, anthropic"),
        ("[[provider]]\n" + MINIMAL.replace("openai", "anthropic") + 'project = "p"', "only .* openai"),
        ("not toml", "is not TOML"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        load_providers(write(tmp_path, text), VARIABLES.get)


def test_all_faults_of_file_and_settings_are_reported_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, f'[[provider]]\n{MINIMAL}api_key = "env:NOWHERE"\nbase_url = "x"\n')
    models = tmp_path / "models.toml"
    models.write_text('["m"]\ncontext_windw_tokens = 5\n')
    with pytest.raises(ValidationError) as caught:
        Settings(
            providers_file=file,
            models_file=models,
            openai_base_url="nowhere",
            anthropic_api_key=f"{KEY} {KEY}",
            _env_file=None,
        )
    told = "\n".join(describe_faults(caught.value))
    for fault in ("NOWHERE is not set", "base_url", "context_windw", "openai_base_url", "anthropic_api_key"):
        assert fault in told
    assert KEY not in told


def names(settings: Settings) -> list[str]:
    return [spec.name for spec in settings.provider_specs]


def test_plain_settings_come_after_the_file_unless_it_takes_their_name_or_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert names(Settings(_env_file=None)) == ["openai", "anthropic"]
    by_itself = write(tmp_path, f"[[provider]]\n{MINIMAL}")
    assert names(Settings(providers_file=by_itself, _env_file=None)) == ["a", "openai", "anthropic"]
    takes_key = write(tmp_path, f'[[provider]]\n{MINIMAL}api_key = "env:OPENAI_API_KEY"\n')
    assert names(Settings(providers_file=takes_key, _env_file=None)) == ["a", "anthropic"]
    takes_name = write(tmp_path, "[[provider]]\n" + MINIMAL.replace('"a"', '"anthropic"'))
    assert names(Settings(providers_file=takes_name, _env_file=None)) == ["anthropic", "openai"]


def test_a_key_may_stand_in_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"MY_KEY={KEY}\nPROVIDERS_FILE=providers.toml\n")
    write(tmp_path, f'[[provider]]\n{MINIMAL}api_key = "env:MY_KEY"\n')
    (spec,) = Settings().provider_specs
    assert spec.endpoint.api_key == KEY
