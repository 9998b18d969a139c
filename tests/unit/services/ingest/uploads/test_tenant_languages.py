"""The language of documents whose upload names none."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.ingest.settings import Settings
from services.ingest.uploads.tenant_languages import TenantLanguages, parse_tenant_languages


def test_a_tenants_own_language_goes_before_that_of_all() -> None:
    languages = TenantLanguages("fr", parse_tenant_languages("acme=de, globex = auto,"))
    assert [languages.of(tenant) for tenant in ("acme", "globex", "initech")] == ["de", "", "fr"]


def test_nothing_set_means_that_the_text_decides() -> None:
    assert Settings(_env_file=None).languages() == TenantLanguages()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("document_language", "deutsch"),
        ("document_language", ""),
        ("tenant_languages", "acme"),
        ("tenant_languages", "=de"),
        ("tenant_languages", "acme=de,globex=xx"),
    ],
)
def test_what_is_not_understood_is_refused_at_start(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match="must be"):
        Settings(**{name: value}, _env_file=None)
