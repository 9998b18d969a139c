"""Running the checks of one service: common ones first, then its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from libs.certificates import read_certificate
from libs.clock import Clock, SystemClock
from libs.doctor import machine, network
from libs.doctor.finding import Finding, error, ok, warning
from libs.logging import configure_logging
from libs.misspelt import misspelt_settings
from libs.rpc.targets import is_loopback
from libs.rpc.tls_files import ClientTls
from libs.settings import ServiceSettings, all_faults, unreadable
from libs.version import program_version

S = TypeVar("S", bound=ServiceSettings)

OwnChecks = Callable[[S, Clock], Awaitable[Sequence[Finding]]]

_SECONDS = 30.0
"""For all checks of one service; each has a shorter limit of its own."""


def main(name: str, settings_class: type[S], own: OwnChecks[S]) -> None:
    """Prints one JSON object a finding; the exit code is 0 whatever was found."""
    configure_logging("ERROR", "json", name)
    for finding in asyncio.run(examine(name, settings_class, own, SystemClock())):
        sys.stdout.write(json.dumps({"service": name, **asdict(finding)}) + "\n")


async def examine(name: str, settings_class: type[S], own: OwnChecks[S], clock: Clock) -> list[Finding]:
    """Everything there is to say of the service `name` as this process's environment sets it up."""
    try:
        settings = settings_class()
    except ValidationError as faults:
        advice = "Correct it: docs/configuration.md says what each setting takes."
        return [error("settings", fault, advice) for fault in all_faults(settings_class, faults)]
    except (UnicodeDecodeError, OSError) as fault:
        return [
            error("settings", unreadable(fault), "Correct the file, or give the service's user the right.")
        ]
    found = [ok("settings", f"valid, profile {settings.profile}, version {program_version()}")]
    found += [
        warning("settings", f"{written} is no setting, and counts for nothing", f"Did you mean {meant}?")
        for written, meant in misspelt_settings(settings_class)
    ]
    try:
        async with asyncio.timeout(_SECONDS):
            found += await _common(name, settings, clock)
            found += await own(settings, clock)
    except Exception as fault:
        found.append(error("doctor", f"a check broke off ({type(fault).__name__}: {fault})", "Report it."))
    return found


async def _common(name: str, settings: ServiceSettings, clock: Clock) -> list[Finding]:
    found = _transport(settings)
    tls = settings.server_tls
    if tls is not None:
        found.append(machine.certificate(tls.cert, "certificate shown to callers", clock.now()))
        if settings.tls_ca_file is not None and tls.cert == settings.tls_cert_file:
            found.append(machine.chain(tls, settings.tls_ca_file))
    if settings.client_tls is not None:
        found.append(machine.certificate(settings.client_tls.ca, "TLS_CA_FILE", clock.now()))
    probe = _probe(settings)
    variable = settings.variable("port")
    found.append(await network.port(settings.host, settings.port, name, variable, probe, clock))
    return found


def _transport(settings: ServiceSettings) -> list[Finding]:
    if is_loopback(settings.host) or settings.server_tls is not None:
        return []
    return [
        warning(
            "plaintext",
            f"{settings.host} is served without TLS, because ALLOW_PLAINTEXT is set",
            "Make sure that the network encrypts by itself, or configure TLS.",
        )
    ]


def _probe(settings: ServiceSettings) -> ClientTls | None:
    """How to call the service itself, to see whether it has the port; its own certificate is believed."""
    tls = settings.server_tls
    if tls is None:
        return None
    ours = settings.client_tls or ClientTls(tls.cert, tls.cert, tls.key)
    return replace(ours, ca=tls.cert, server_name=_name_in(tls.cert, settings.host))


def _name_in(cert: Path, host: str) -> str:
    """A name to expect in our own certificate, which is seldom for the address that is called here.

    Empty where it is, or where there is none.
    """
    try:
        names = read_certificate(cert).names
    except (OSError, ValueError):
        return ""  # told by the check of certificates
    return "" if host in names or not names else names[0].replace("*", "any", 1)
