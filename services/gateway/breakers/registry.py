"""All circuit breakers of this process, by the name of what they guard."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError, FieldViolation, reason_name
from services.gateway.breakers.breaker import Breaker
from services.gateway.breakers.model import BreakerPolicy, Override, Refused, Snapshot, State
from services.gateway.telemetry import BREAKER_CHANGES

if TYPE_CHECKING:
    from libs.errors import Reason

log = structlog.get_logger()

_PROVIDER = "provider:"
_SERVICE = "service:"


def provider_target(name: str, model: str) -> str:
    """The name of a provider's breaker. A model has its own: one may be down while another works."""
    return f"{_PROVIDER}{name}/{model}"


def service_target(name: str) -> str:
    """The name of the breaker of one of our own services."""
    return f"{_SERVICE}{name}"


class Breakers:
    """Makes a breaker for each target on first use, all with one policy."""

    def __init__(
        self, policy: BreakerPolicy, *, monotonic: Callable[[], float], random: Callable[[], float]
    ) -> None:
        self._policy = policy
        self._monotonic = monotonic
        self._random = random
        self._breakers: dict[str, Breaker] = {}

    def get(self, target: str) -> Breaker:
        """The breaker of `target` (see `provider_target`, `service_target`)."""
        breaker = self._breakers.get(target)
        if breaker is None:
            breaker = self._breakers[target] = Breaker(
                self._policy,
                monotonic=self._monotonic,
                random=self._random,
                on_change=_logging_change(target),
            )
        return breaker

    def keep_providers(self, targets: Collection[str]) -> None:
        """Makes sure of a breaker for each of these providers, and forgets those of all others.

        But not what an operator holds: a provider can be missing for a moment, while the answer service is
        restarted.
        """
        for target in targets:
            self.get(target)
        for target in [known for known in self._breakers if known.startswith(_PROVIDER)]:
            if target not in targets and not self._breakers[target].snapshot().forced:
                del self._breakers[target]

    def override(
        self, target: str, override: Override, *, seconds: float | None = None, by: str = ""
    ) -> Snapshot:
        """Forces a breaker for so long (None: until told otherwise), or frees it; the log says who did.

        Raises INVALID_REQUEST when there is no such target.
        """
        breaker = self._breakers.get(target)
        if breaker is None:
            raise DocuQueryError(
                reasons.ERROR_REASON_INVALID_REQUEST,
                f"There is no circuit breaker of the name `{target[:200]}`.",
                violations=[FieldViolation("target", f"Must be one of {', '.join(sorted(self._breakers))}.")],
            )
        before = breaker.snapshot()
        breaker.override(override, math.inf if seconds is None else seconds)
        log.warning(
            "breaker_overridden",
            target=target,
            override=override.value,
            seconds=seconds,
            by=by,
            before=before.state.value,
            forced_before=before.forced,
        )
        return breaker.snapshot()

    def snapshots(self) -> dict[str, Snapshot]:
        """Every breaker as it stands, by target, services first."""
        order = sorted(self._breakers, key=lambda target: (target.startswith(_PROVIDER), target))
        return {target: self._breakers[target].snapshot() for target in order}


def circuit_open(target: str, refusal: Refused) -> DocuQueryError:
    """What a caller is told when the breaker of `target` refuses its call."""
    wait = refusal.retry_after_seconds
    why = "is kept out of use by an operator" if refusal.forced else "has failed repeatedly and rests a while"
    return DocuQueryError(
        reasons.ERROR_REASON_CIRCUIT_OPEN,
        f"{target} {why}. Try again {in_seconds(wait)}.",
        metadata={"target": target},
        retry_after_seconds=wait,
    )


def in_seconds(wait: float | None) -> str:
    """When to come back, for a sentence; never sooner than `wait`. None: nobody knows."""
    return "later" if wait is None else f"in {max(1, math.ceil(wait))} s"


def _logging_change(target: str) -> Callable[[State, State, Reason], None]:
    def tell(old: State, new: State, reason: Reason) -> None:
        level = log.info if new is State.CLOSED else log.warning
        BREAKER_CHANGES.add(target, new.value)
        level("breaker_changed", target=target, old=old.value, new=new.value, reason=reason_name(reason))

    return tell
