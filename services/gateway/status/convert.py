"""System status and breakers, in the words of the public contract. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from services.gateway.breakers.model import Override, Snapshot, State
from services.gateway.status.system import Component, ComponentState, ProviderStatus, SystemStatus

_COMPONENT_STATES = {
    ComponentState.SERVING: pb.COMPONENT_STATE_SERVING,
    ComponentState.NOT_SERVING: pb.COMPONENT_STATE_NOT_SERVING,
    ComponentState.UNREACHABLE: pb.COMPONENT_STATE_UNREACHABLE,
}
_BREAKER_STATES = {
    State.CLOSED: pb.BREAKER_STATE_CLOSED,
    State.OPEN: pb.BREAKER_STATE_OPEN,
    State.HALF_OPEN: pb.BREAKER_STATE_HALF_OPEN,
    State.PARKED: pb.BREAKER_STATE_PARKED,
}
_OVERRIDES = {
    admin.BREAKER_OVERRIDE_AUTOMATIC: Override.AUTOMATIC,
    admin.BREAKER_OVERRIDE_FORCE_OPEN: Override.FORCE_OPEN,
    admin.BREAKER_OVERRIDE_FORCE_CLOSED: Override.FORCE_CLOSED,
}


def override_from_proto(override: admin.BreakerOverride.ValueType) -> Override:
    """An operator's valid wish."""
    return _OVERRIDES[override]


def override_seconds(request: admin.OverrideBreakerRequest) -> float | None:
    """How long it shall last, valid or not; None: until told otherwise."""
    duration = request.duration
    return duration.seconds + duration.nanos / 1e9 if request.HasField("duration") else None


def breaker_to_proto(target: str, snapshot: Snapshot, now: datetime) -> pb.Breaker:
    """A breaker as it stands at `now`."""
    breaker = pb.Breaker(
        target=target,
        state=_BREAKER_STATES[snapshot.state],
        calls=snapshot.calls,
        failures=snapshot.failures,
        last_reason=snapshot.last_reason,
        forced=snapshot.forced,
    )
    if snapshot.retry_after_seconds is not None and snapshot.state in (State.OPEN, State.PARKED):
        moment = Timestamp()
        moment.FromDatetime(now + timedelta(seconds=snapshot.retry_after_seconds))
        breaker.retry_time.CopyFrom(moment)
    if snapshot.forced_for_seconds is not None:
        breaker.forced_until.FromDatetime(now + timedelta(seconds=snapshot.forced_for_seconds))
    return breaker


def status_to_proto(status: SystemStatus, now: datetime) -> pb.GetSystemStatusResponse:
    """Everything, at `now`."""
    return pb.GetSystemStatusResponse(
        state=_COMPONENT_STATES[status.state],
        components=map(_component, status.components),
        providers=map(_provider, status.providers),
        breakers=[breaker_to_proto(target, snapshot, now) for target, snapshot in status.breakers.items()],
        version=status.version,
        reindex=status.reindex,
    )


def _component(component: Component) -> pb.Component:
    return pb.Component(
        name=component.name,
        state=_COMPONENT_STATES[component.state],
        latency_ms=component.latency_ms,
        detail=component.detail,
        version=component.version,
    )


def _provider(status: ProviderStatus) -> pb.ProviderStatus:
    candidate = status.candidate
    return pb.ProviderStatus(
        name=candidate.name, adapter=candidate.adapter, model=candidate.model, available=status.available
    )
