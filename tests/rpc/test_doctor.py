"""Doctor beside a service that runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from libs.clock import Clock, SystemClock
from libs.doctor.finding import Finding, Level
from libs.doctor.run import examine
from services.gateway.app import start
from services.gateway.settings import Settings
from tests.certificates import Authority


async def nothing_of_its_own(settings: Settings, clock: Clock) -> Sequence[Finding]:
    return ()


@pytest.mark.parametrize("hosts", [("127.0.0.1",), ("docuquery.example", "other.example"), ("*.example",)])
async def test_a_service_is_known_by_its_certificate_whatever_name_that_is_for(
    hosts: tuple[str, ...], tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Authority(tmp_path / "public").issue("gateway", hosts=hosts)
    inner = Authority(tmp_path / "inner")
    member = inner.issue("member")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "GATEWAY_PORT": free_port,
        "GATEWAY_TLS_CERT_FILE": pair.cert,
        "GATEWAY_TLS_KEY_FILE": pair.key,
        "TLS_CA_FILE": inner.ca,
        "TLS_CERT_FILE": member.cert,
        "TLS_KEY_FILE": member.key,
    }.items():
        monkeypatch.setenv(name, str(value))
    async with start(Settings()):
        found = await examine("gateway", Settings, nothing_of_its_own, SystemClock())
    [port] = [finding for finding in found if finding.check == "port"]
    assert (port.level, port.message) == (Level.OK, f"gateway is running on 127.0.0.1:{free_port}")
