"""What doctor sees of the whole system, by calling the gateway as any caller does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client.cli.env_file import env_file
from docuquery_client.cli.session import Session, describe
from docuquery_client.client import DEFAULT_ADDRESS
from docuquery_client.errors import ApiError

_SECONDS = 10.0
_HOW_TO_CALL = (
    "See the findings above. How it is called is said before `admin`: --address, --tls or --ca, --api-key."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the report."""

    service: str
    check: str
    level: str
    """`ok`, `warning` or `error`."""
    message: str
    advice: str = ""


def local_gateway(environment: Mapping[str, str]) -> str:
    """Where the gateway listens on this machine by the settings in `environment` and `.env`."""
    port = _settings(environment).get("GATEWAY_PORT", "")
    # One that is no port is told by the checks of the gateway's settings.
    return f"127.0.0.1:{port}" if port.isdecimal() else DEFAULT_ADDRESS


async def of_system(session: Session, environment: Mapping[str, str]) -> list[Finding]:
    """What the gateway says, and whether it agrees with the settings in `environment` and `.env`."""
    async with session.client() as client:
        try:
            system = await client.get_system_status(timeout_seconds=_SECONDS)
        except ApiError as error:
            return [Finding("system", "status", "error", describe(error), _HOW_TO_CALL)]
    versions = {component.version for component in system.components if component.version}
    found = [_of_component(component) for component in system.components]
    found += [_of_provider(one) for one in system.providers]
    found += of_order(
        _settings(environment).get("LLM_PROVIDER", ""), [provider.name for provider in system.providers]
    )
    if session.api_key and await _serves_anybody(session):
        text = "it serves without keys, so the API key given counts for nothing, right or wrong"
        advice = "Configure API_KEYS_FILE where the gateway runs, or leave the key away."
        found.append(Finding("system", "keys", "warning", text, advice))
    if len(versions) > 1:
        text = f"several versions are running: {', '.join(sorted(versions))}"
        found.append(Finding("system", "version", "warning", text, "Expected during an upgrade only."))
    return found


def of_order(setting: str, offered: Sequence[str]) -> list[Finding]:
    """LLM_PROVIDER beside the providers there are, in the order in which the gateway asks them."""
    wanted = [name.strip() for name in setting.split(",") if name.strip()]
    if not offered or wanted in ([], ["auto"]):
        return []  # without an answer service there is nothing to compare with
    found = []
    known = [name for name in wanted if name in offered]
    if missing := [name for name in wanted if name not in offered]:
        text = f"LLM_PROVIDER names {', '.join(missing)}; the answer service offers {', '.join(offered)}"
        advice = "Correct the name, or configure it where answer runs: its key, or PROVIDERS_FILE."
        found.append(Finding("system", "providers", "warning", text, advice))
    if list(offered[: len(known)]) != known:
        text = f"the gateway asks {', '.join(offered)}; LLM_PROVIDER is {', '.join(wanted)} here"
        advice = "Restart the gateway, if its setting was changed; or examine it where it runs."
        found.append(Finding("system", "providers", "warning", text, advice))
    return found or [
        Finding("system", "providers", "ok", f"asked in the order of LLM_PROVIDER: {', '.join(wanted)}")
    ]


def _settings(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {**env_file(Path(".env")), **environment}


async def _serves_anybody(session: Session) -> bool:
    async with replace(session, api_key=None).client() as nobody:
        try:
            await nobody.get_system_status(timeout_seconds=_SECONDS)
        except ApiError:
            return False
    return True


def _of_provider(provider: pb.ProviderStatus) -> Finding:
    name = f"{provider.name} ({provider.model})"
    if provider.available:
        return Finding("system", "provider", "ok", f"{name} takes calls")
    advice = "`docuquery status` shows its breaker. One that LLM_PROVIDER leaves out is never asked."
    return Finding("system", "provider", "warning", f"{name} takes no calls", advice)


def _of_component(component: pb.Component) -> Finding:
    if component.state == pb.COMPONENT_STATE_SERVING:
        version = f", version {component.version}" if component.version else ""
        return Finding("system", "status", "ok", f"{component.name} is serving{version}")
    return Finding("system", "status", "error", f"{component.name}: {component.detail}", "Look into its log.")
