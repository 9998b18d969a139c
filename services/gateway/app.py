"""The composition root: the only file that names concrete classes."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from docuquery.gateway.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from docuquery.gateway.v1.docuquery_service_pb2_grpc import add_DocuQueryServiceServicer_to_server
from libs.clock import Clock, SystemClock
from libs.rpc.channel import open_channel
from libs.rpc.layered import Gate, Layer
from libs.rpc.layers import reading_layer
from libs.rpc.reachability import Reachability
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from libs.rpc.targets import may_be_many
from libs.telemetry import tracing
from libs.telemetry.measured import measured
from services.gateway import budget
from services.gateway.admin_servicer import AdminServicer
from services.gateway.admission.bulkhead import Bulkhead
from services.gateway.admission.layers import (
    RateLimiter,
    bulkhead_layer,
    rate_limit_layer,
    share_layer,
    shedding_gate,
)
from services.gateway.admission.pressure import Probe, relieved
from services.gateway.admission.rate_limit import MovingWindowLimiter
from services.gateway.admission.refusals import Refusals
from services.gateway.answer_cache.cache import AnswerCache
from services.gateway.breakers.registry import Breakers, service_target
from services.gateway.downstream.clients import (
    ANSWER,
    IDEMPOTENT_READS,
    INGEST,
    RETRIEVAL,
    AnswerClient,
    IngestClient,
    RetrievalClient,
)
from services.gateway.downstream.guard import Link
from services.gateway.fallback.attempt import run_attempt
from services.gateway.fallback.ladder import Ladder
from services.gateway.fallback.providers import ProviderDirectory
from services.gateway.identity.auth import (
    AnonymousAuthenticator,
    ApiKeyAuthenticator,
    Authenticator,
    identity_resolver,
    infrastructure_check,
    revocation_layer,
)
from services.gateway.identity.key_file import followed_keys
from services.gateway.identity.scopes import ROOM_OF, Room
from services.gateway.query import QueryRunner
from services.gateway.rewrite import FollowUps
from services.gateway.search import Searcher
from services.gateway.servicer import DocuQueryServicer
from services.gateway.settings import Settings
from services.gateway.status.readiness import readiness
from services.gateway.status.system import StatusReporter, health_check
from services.gateway.telemetry import (
    MeasuredAttempts,
    MeasuredQueries,
    follow_breakers,
    follow_room,
    stages,
)
from services.gateway.uploads.proxy import UploadProxy
from services.gateway.uploads.unary import UnaryUpload
from services.gateway.validation.requests import Rules

log = structlog.get_logger()


@asynccontextmanager
async def start(settings: Settings, clock: Clock | None = None) -> AsyncIterator[RunningServer]:
    """A serving gateway, until the block is left. It starts whether or not the services behind it are up."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        links = await _open_links(stack, settings)
        breakers = Breakers(settings.breaker_policy, monotonic=clock.monotonic, random=random.random)
        ingest = IngestClient(links[INGEST], breakers)
        retrieval = RetrievalClient(links[RETRIEVAL], breakers)
        answer = AnswerClient(links[ANSWER], breakers)
        watched = stages.is_on or tracing.is_on()
        directory = ProviderDirectory(answer, breakers, clock, settings.query_policy.provider_order)
        searcher = measured(Searcher(retrieval), stages, {"search": "search"})
        follow_breakers(breakers)
        rules = Rules(settings.question_max_characters, settings.unary_upload_max_bytes)
        queries = QueryRunner(
            searcher=searcher,
            follow_ups=measured(FollowUps(answer, breakers), stages, {"rewrite": "rewrite"}),
            generator=answer,
            directory=directory,
            ladder=Ladder(
                breakers,
                clock,
                random.random,
                settings.attempt_policy,
                MeasuredAttempts(run_attempt) if watched else run_attempt,
            ),
            clock=clock,
            new_id=lambda: str(uuid.uuid4()),
            policy=settings.query_policy,
            cache=measured(AnswerCache(retrieval, answer), stages, {"look_up": "cache"})
            if settings.enable_semantic_cache
            else None,
        )
        checks = {name: health_check(link.channel) for name, link in links.items()}
        servicer = DocuQueryServicer(
            rules=rules,
            default_top_k=settings.retrieval_top_k,
            queries=MeasuredQueries(queries) if watched else queries,
            searcher=searcher,
            unary_upload=UnaryUpload(ingest, settings.upload_policy),
            upload_proxy=UploadProxy(ingest, clock, settings.upload_policy),
            retrieval_client=retrieval,
            answer_client=answer,
            status=StatusReporter(checks, retrieval, directory, breakers, clock, settings.query_policy),
            clock=clock,
        )
        admin = AdminServicer(breakers, rules, clock)
        authenticator = await _authenticator(stack, settings, clock)
        resolve = identity_resolver(authenticator)
        uploads = [method for method, room in ROOM_OF.items() if room is Room.UPLOADS]
        probes = [
            Probe(checks[name], clock, is_replicated=links[name].replicated)
            for name in settings.readiness_needs
        ]
        gate, admission = await _admission(stack, settings, probes, breakers, clock)
        server = await stack.enter_async_context(
            serve(
                name="gateway",
                settings=settings,
                services=[
                    ServiceRegistration(
                        "docuquery.gateway.v1.DocuQueryService",
                        partial(add_DocuQueryServiceServicer_to_server, servicer),
                    ),
                    ServiceRegistration(
                        "docuquery.gateway.v1.AdminService",
                        partial(add_AdminServiceServicer_to_server, admin),
                    ),
                ],
                resolve_identity=resolve,
                check_infrastructure=infrastructure_check(
                    authenticator,
                    health_open=settings.health_open,
                    reflection_open=settings.reflection_open,
                    channelz=settings.channelz_enabled,
                ),
                clock=clock,
                # Each method has its own limits (budget.py): an upload may rightly take longer than a query.
                default_deadline_seconds=None,
                longest_seconds=settings.longest_seconds,
                report_seconds=budget.REPORT_SECONDS,
                extra_layers=(
                    revocation_layer(authenticator, resolve),
                    # Uploads have no end of their own: a caller who does not read is as good as silent.
                    reading_layer(dict.fromkeys(uploads, settings.upload_idle_seconds)),
                    *admission,
                ),
                gate=gate,
                backlog=settings.backlog,
                ready=False,
                tells_version=False,  # to those with a key, by GetSystemStatus
            )
        )
        needed = [links[name].reachability for name in settings.readiness_needs]
        await stack.enter_async_context(readiness(server.health.set_ready, needed))
        yield server


async def _open_links(stack: AsyncExitStack, settings: Settings) -> dict[str, Link]:
    links = {}
    for name, target in settings.targets.items():
        channel = await stack.enter_async_context(
            open_channel(
                target,
                max_message_bytes=settings.max_message_bytes,
                retried=IDEMPOTENT_READS[name],
                tls=settings.client_tls,
            )
        )
        reachability = Reachability(name, channel)
        await stack.enter_async_context(reachability.followed())
        links[name] = Link(name, channel, reachability, replicated=may_be_many(target))
    return links


async def _authenticator(stack: AsyncExitStack, settings: Settings, clock: Clock) -> Authenticator:
    if not settings.has_keys:
        log.info("authentication", kind="anonymous")
        return AnonymousAuthenticator()
    keys = settings.load_keys()
    authenticator = ApiKeyAuthenticator(keys)
    if settings.api_keys_file is not None:
        await stack.enter_async_context(followed_keys(keys, settings.load_keys, authenticator.replace, clock))
    log.info("authentication", kind="api_keys", keys=len(keys))
    return authenticator


async def _admission(
    stack: AsyncExitStack,
    settings: Settings,
    probes: Sequence[Probe],
    breakers: Breakers,
    clock: Clock,
) -> tuple[Gate, tuple[Layer, ...]]:
    refusals = Refusals(clock)
    rooms = {
        room: Bulkhead(
            places, settings.admission_wait_seconds, monotonic=clock.monotonic, random=random.random
        )
        for room, places in settings.concurrency.items()
    }
    for room, bulkhead in rooms.items():
        follow_room(room.value, bulkhead)
    by_method = {method: rooms[room] for method, room in ROOM_OF.items() if room in rooms}
    await stack.enter_async_context(relieved(rooms.values(), probes, clock))
    gate = shedding_gate(by_method, refusals)
    # Without keys nobody can be told from another.
    share = settings.caller_share if settings.has_keys else 1.0
    room_layers = share_layer(by_method, share, refusals), bulkhead_layer(by_method, refusals)
    classes = settings.rate_classes
    if not classes.limits_anybody:
        return gate, room_layers
    window_seconds = settings.rate_limit_window_seconds
    limiter: RateLimiter = MovingWindowLimiter(window_seconds, clock.monotonic)
    state_url = settings.state_url.get_secret_value()
    if state_url:
        # Importing it takes a third of a second: only who uses Redis pays for it.
        from services.gateway.admission.shared_rate_limit import SharedRateLimiter, open_redis_limiter

        shared = await stack.enter_async_context(open_redis_limiter(state_url, window_seconds))
        breaker = breakers.get(service_target("redis"))
        limiter = SharedRateLimiter(shared, limiter, breaker, replicas=settings.gateway_replicas)
        await stack.enter_async_context(limiter.followed(clock))
    return gate, (rate_limit_layer(limiter, classes, refusals), *room_layers)
