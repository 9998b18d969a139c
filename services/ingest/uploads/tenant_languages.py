"""The language of documents whose upload names none, as the operator has set it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.languages import EXAMPLES, language_code

AUTO = "auto"
"""Tell the language from the text."""


@dataclass(frozen=True, slots=True)
class TenantLanguages:
    """Codes of languages; an empty one is told from the text."""

    default: str = ""
    by_tenant: Mapping[str, str] = field(default_factory=dict)

    def of(self, tenant: str) -> str:
        """What holds for a tenant."""
        return self.by_tenant.get(tenant, self.default)


def parse_language(text: str) -> str:
    """The code of a language; empty for `auto`. Raises ValueError."""
    if text.strip().lower() == AUTO:
        return ""
    code = language_code(text)
    if code is None:
        raise ValueError(f"must be {EXAMPLES}, or {AUTO}")
    return code


def parse_tenant_languages(text: str) -> dict[str, str]:
    """Tenant → code, from `acme=de,globex=auto`. Raises ValueError."""
    languages = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        tenant, equals, language = pair.partition("=")
        if not equals or not tenant.strip():
            raise ValueError("must be pairs such as acme=de, separated by commas")
        languages[tenant.strip()] = parse_language(language)
    return languages
