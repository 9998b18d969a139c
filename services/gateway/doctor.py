"""What to check where the gateway runs: `python -m services.gateway.doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from libs.clock import Clock
from libs.doctor import network
from libs.doctor.finding import Finding, ok, warning
from libs.doctor.redis import redis
from libs.doctor.run import main
from libs.version import program_version
from services.gateway.settings import Settings


async def checks(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """The services behind it, who may call, and what replicas share."""
    found = [_keys(settings)]
    for name, target in settings.targets.items():
        found += await network.service(name, target, settings.client_tls, program_version(), clock)
    state_url = settings.state_url.get_secret_value()
    if state_url:
        found += await redis(state_url, clock)
    elif settings.gateway_replicas > 1:
        found.append(
            warning(
                "state",
                f"{settings.gateway_replicas} replicas share no state",
                "Set STATE_URL: without it each of them counts rate limits for itself.",
            )
        )
    return found


def _keys(settings: Settings) -> Finding:
    if not settings.has_keys:
        return warning(
            "keys",
            "nobody needs a key: every caller is the tenant `default`",
            "Configure API_KEYS_FILE before others can reach it.",
        )
    count = len(settings.load_keys())
    if not count:
        return warning("keys", "the list of keys is empty: nobody may call", "Add a key to API_KEYS_FILE.")
    return ok("keys", f"{count} API keys")


if __name__ == "__main__":
    main("gateway", Settings, checks)
