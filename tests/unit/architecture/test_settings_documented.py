"""`.env.example` lists every setting of every service, with its default, and nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from libs.settings import ServiceSettings
from services.answer.settings import Settings as AnswerSettings
from services.gateway.settings import Settings as GatewaySettings
from services.ingest.settings import Settings as IngestSettings
from services.retrieval.settings import Settings as RetrievalSettings

EXAMPLE = Path(__file__).parents[3] / ".env.example"
ALL = (GatewaySettings, IngestSettings, RetrievalSettings, AnswerSettings)


def documented() -> dict[str, str]:
    """Variable → the value its (commented) line shows."""
    return dict(re.findall(r"^# ?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.M))


def fields(settings: type[ServiceSettings]) -> dict[str, FieldInfo]:
    return {str(field.validation_alias): field for field in settings.model_fields.values()}


@pytest.mark.parametrize("settings", ALL, ids=lambda s: s.__module__.split(".")[1])
def test_every_setting_has_a_variable_and_an_entry(settings: type[ServiceSettings]) -> None:
    names = fields(settings)
    assert "None" not in names, "a field without an environment variable"
    assert set(names) - set(documented()) == set()


def test_nothing_is_documented_that_does_not_exist() -> None:
    known = {name for settings in ALL for name in fields(settings)}
    assert set(documented()) - known == set()


def shown(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("settings", ALL, ids=lambda s: s.__module__.split(".")[1])
def test_the_documented_value_is_the_default(settings: type[ServiceSettings]) -> None:
    values = documented()
    for name, field in fields(settings).items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, (str, int, float, bool, type(None))):
            assert values[name] == shown(default), name
