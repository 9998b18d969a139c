"""Names that are nearly those of a setting: what they set would be left out in silence."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from libs.settings import ServiceSettings

_LIKENESS = 0.88
"""Of the strings (difflib's ratio). Names of two services' settings are at most 0.82 alike, one with a letter
or an underscore too few or too many, or an S too much, 0.9 and more."""


def misspelt_settings(settings_class: type[ServiceSettings]) -> list[tuple[str, str]]:
    """Variables of the environment and of `.env` that are no settings, and those that seem to be meant."""
    sources = EnvSettingsSource(settings_class), DotEnvSettingsSource(settings_class)
    given = {name.upper() for source in sources for name in source.env_vars}
    return nearly(given, setting_names(settings_class))


def nearly(given: Iterable[str], known: frozenset[str]) -> list[tuple[str, str]]:
    """Each of `given` that is not in `known` but much like one of them, with that one; in order of names."""
    found = []
    for name in sorted(set(given) - known):
        if alike := get_close_matches(name, known, n=1, cutoff=_LIKENESS):
            found.append((name, alike[0]))
    return found


def setting_names(settings_class: type[ServiceSettings]) -> frozenset[str]:
    """The variables that a service reads."""
    fields = settings_class.model_fields.items()
    return frozenset(str(field.validation_alias or name).upper() for name, field in fields)
