"""Profiles: what a setting is by default where DocuQuery runs, and what is refused there.

A profile is the lowest layer of the settings: the environment and `.env` win over it. `dev` is the
program's own defaults. The rules of `prod` cannot be switched off by another setting: who needs to, runs
`staging` and says what differs.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

ProfileName = Literal["dev", "staging", "prod"]

DEFAULT_PROFILE: ProfileName = "dev"

PROFILES: dict[ProfileName, dict[str, str]] = {
    "dev": {},
    "staging": {"ENVIRONMENT": "staging", "LOG_FORMAT": "json"},
    "prod": {"ENVIRONMENT": "production", "LOG_FORMAT": "json", "REFLECTION_OPEN": "false"},
}
"""What each profile sets, by variable. A service takes what it has."""

RULES: dict[ProfileName, str] = {
    "dev": "",
    "staging": "",
    "prod": "Callers need API keys, on loopback too (ALLOW_ANONYMOUS is refused). Addresses other than "
    "loopback need TLS (ALLOW_PLAINTEXT is refused).",
}
"""What each profile refuses besides, for people."""


class ProfileDefaults(PydanticBaseSettingsSource):
    """The source of settings that comes after all others."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """What the profile says of one field."""
        alias = str(field.validation_alias)
        known = self.current_state
        chosen = known.get("PROFILE", known.get("profile", DEFAULT_PROFILE))
        if field_name in known:  # given by name in code: the variable must not win over it
            return None, alias, False
        return PROFILES.get(chosen, {}).get(alias), alias, False

    def __call__(self) -> dict[str, Any]:
        """The profile's values of the fields there are."""
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found
