"""Where doctor finds the gateway, and LLM_PROVIDER beside what the running system offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from docuquery_client.cli.doctor_system import local_gateway, of_order


def test_the_gateway_is_looked_for_where_its_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert local_gateway({}) == local_gateway({"GATEWAY_PORT": "none"}) == "127.0.0.1:50051"
    (tmp_path / ".env").write_text("GATEWAY_PORT=7001\n")
    assert local_gateway({}) == "127.0.0.1:7001"
    assert local_gateway({"GATEWAY_PORT": "7002"}) == "127.0.0.1:7002"


@pytest.mark.parametrize(
    ("setting", "offered", "levels", "said"),
    [
        ("", ["openai", "extractive"], [], ""),
        ("auto", ["openai", "extractive"], [], ""),
        ("openai", [], [], ""),
        ("openai, extractive", ["openai", "extractive", "other"], ["ok"], "order of LLM_PROVIDER"),
        ("gpt,openai", ["openai", "extractive"], ["warning"], "names gpt; the answer service offers openai"),
        ("b,a", ["a", "b"], ["warning"], "the gateway asks a, b; LLM_PROVIDER is b, a here"),
        ("b,c,a", ["a", "b"], ["warning", "warning"], "names c"),
    ],
)
def test_names_that_are_not_offered_and_another_order_are_told(
    setting: str, offered: list[str], levels: list[str], said: str
) -> None:
    found = of_order(setting, offered)
    assert [one.level for one in found] == levels
    assert said in " ".join(one.message for one in found)
    assert all(one.advice for one in found if one.level != "ok")
