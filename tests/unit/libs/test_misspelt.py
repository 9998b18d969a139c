"""What is nearly the name of a setting is told, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.misspelt import misspelt_settings, nearly, setting_names
from services.gateway.settings import Settings as Gateway
from tools.configuration import SERVICES

ALL = {name: setting_names(settings) for name, settings in SERVICES.items()}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("RETRIEVAL_TOPK", "RETRIEVAL_TOP_K"),
        ("LLM_PROVIDERS", "LLM_PROVIDER"),
        ("API_KEY_FILE", "API_KEYS_FILE"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("GATEWAY_PROT", "GATEWAY_PORT"),
    ],
)
def test_a_slip_of_a_letter_is_told_with_what_was_meant(
    written: str, meant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert misspelt_settings(Gateway) == []
    Path(".env").write_text(f"{written}=1\nGATEWAY_PORT=0\nCOMPOSE_PROFILES=dev\n")
    assert misspelt_settings(Gateway) == [(written, meant)]
    Path(".env").unlink()
    monkeypatch.setenv(written, "1")
    assert misspelt_settings(Gateway) == [(written, meant)]


@pytest.mark.parametrize("service", ALL)
def test_what_is_a_setting_of_another_service_is_no_slip(service: str) -> None:
    assert nearly(frozenset().union(*ALL.values()), ALL[service]) == []


def test_what_machines_and_clients_set_is_no_slip() -> None:
    others = [
        "PATH",
        "HOME",
        "LOGNAME",
        "HOSTNAME",
        "PORT",
        "DEBIAN_FRONTEND",
        "DOCUQUERY_ADDRESS",
        "TERM_PROGRAM",
    ]
    for known in ALL.values():
        assert nearly(others, known) == []
