"""What is written about settings is made from the settings themselves, and is up to date."""

from pathlib import Path

import pytest

from tools import configuration


@pytest.mark.parametrize("path", configuration.FILES, ids=lambda path: path.name)
def test_the_file_is_what_the_settings_give(path: Path) -> None:
    assert path.read_text() == configuration.FILES[path](), "run make docs"


@pytest.mark.parametrize("service", configuration.SERVICES)
def test_every_setting_has_a_variable_of_its_own_and_a_meaning(service: str) -> None:
    fields = configuration.SERVICES[service].model_fields
    variables = [field.validation_alias for field in fields.values()]
    assert None not in variables, "a field without an environment variable"
    assert len(set(variables)) == len(variables)
    listed = {one.variable: one for section in configuration.sections() for one in section.settings}
    assert [name for name in variables if not listed[str(name)].meaning.strip()] == []


def test_what_a_profile_sets_is_a_setting() -> None:
    listed = {one.variable for section in configuration.sections() for one in section.settings}
    set_by_profiles = {name for values in configuration.PROFILES.values() for name in values}
    assert set_by_profiles <= listed
