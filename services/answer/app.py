"""Puts the answer service together; the only file that names concrete classes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from docuquery.answer.v1.answer_service_pb2_grpc import add_AnswerServiceServicer_to_server
from libs.clock import Clock, SystemClock
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from services.answer.configuration import configuration_of
from services.answer.conversations.memory import MemoryConversations
from services.answer.conversations.protocol import Conversations
from services.answer.engine import Engine
from services.answer.follow_ups.rewriter import Rewriter
from services.answer.language.vectors import PieceVectors
from services.answer.prompts.manager import PromptManager
from services.answer.providers.extractive import ExtractiveProvider
from services.answer.providers.models import load_models
from services.answer.providers.protocol import Provider
from services.answer.providers.registry import build_providers
from services.answer.servicer import AnswerServicer
from services.answer.settings import Settings
from services.answer.telemetry import counted, traced
from services.answer.usage.log_file import NoUsageLog, UsageLogFile, UsageSink
from services.answer.usage.metering import Metering

SERVICE_NAME = "docuquery.answer.v1.AnswerService"


@asynccontextmanager
async def start(settings: Settings, clock: Clock | None = None) -> AsyncIterator[RunningServer]:
    """Serves AnswerService until the block is left.

    Raises ValueError when a prompt, a model file or a provider is faulty.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        prompts = PromptManager(settings.prompts_dir, default_version=settings.prompt_version)
        conversations = _conversations(stack, settings, clock)
        metering = Metering(counted(_usage_sink(settings)), clock)
        providers: dict[str, Provider] = {}
        for model_provider in build_providers(
            settings.provider_specs,
            load_models(settings.models_file),
            temperature=settings.llm_temperature,
            max_tokens=settings.llm_max_tokens,
        ).values():
            stack.push_async_callback(model_provider.aclose)
            providers[model_provider.name] = traced(model_provider)
        extractive = ExtractiveProvider(
            PieceVectors.load(),
            max_sentences=settings.max_sentences,
            min_confidence=settings.min_confidence,
        )
        providers[extractive.name] = traced(extractive)
        engine = Engine(
            providers=providers,
            prompts=prompts,
            conversations=conversations,
            metering=metering,
            clock=clock,
            evidence_threshold=settings.evidence_threshold,
            provider_timeout_seconds=settings.llm_timeout_seconds,
        )
        servicer = AnswerServicer(
            engine=engine,
            rewriter=Rewriter(conversations, engine.provider, metering),
            conversations=conversations,
            prompts=prompts,
            providers=providers,
            configurations={
                name: configuration_of(provider, settings, prompts.versions())
                for name, provider in providers.items()
            },
            clock=clock,
        )
        registration = ServiceRegistration(
            SERVICE_NAME, partial(add_AnswerServiceServicer_to_server, servicer)
        )
        yield await stack.enter_async_context(
            serve(name="answer", settings=settings, services=[registration], clock=clock)
        )


def _usage_sink(settings: Settings) -> UsageSink:
    if settings.usage_log_file is None:
        return NoUsageLog()
    return UsageLogFile(settings.usage_log_file, rotate_bytes=settings.usage_log_rotate_bytes)


def _conversations(stack: AsyncExitStack, settings: Settings, clock: Clock) -> Conversations:
    url = settings.state_url.get_secret_value()
    if not url:
        return MemoryConversations(
            clock, settings.conversation_limits, max_count=settings.conversation_max_count
        )
    from services.answer.conversations.redis import RedisConversations  # its client is slow to import

    shared = RedisConversations(
        url, clock, settings.conversation_limits, timeout_seconds=settings.state_timeout_seconds
    )
    stack.push_async_callback(shared.aclose)
    return shared
