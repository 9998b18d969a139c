"""Puts the answer service together; the only file that names concrete classes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from docuquery.answer.v1.answer_service_pb2_grpc import add_AnswerServiceServicer_to_server
from libs.clock import Clock, SystemClock
from libs.rpc.server import RunningServer, ServiceRegistration, serve
from services.answer.conversations import MemoryConversations
from services.answer.engine import Engine
from services.answer.prompts.manager import PromptManager
from services.answer.providers.extractive import ExtractiveProvider
from services.answer.providers.models import load_models
from services.answer.providers.protocol import Provider
from services.answer.providers.registry import build_providers
from services.answer.rewrite import Rewriter
from services.answer.servicer import AnswerServicer
from services.answer.settings import Settings
from services.answer.telemetry import watched

SERVICE_NAME = "docuquery.answer.v1.AnswerService"


@asynccontextmanager
async def start(settings: Settings, clock: Clock | None = None) -> AsyncIterator[RunningServer]:
    """Serves AnswerService until the block is left.

    Raises ValueError when a prompt, a model file or a provider is faulty.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        prompts = PromptManager(settings.prompts_dir, default_version=settings.prompt_version)
        conversations = MemoryConversations(
            clock,
            ttl_seconds=settings.conversation_ttl_seconds,
            max_turns=settings.conversation_max_turns,
            max_count=settings.conversation_max_count,
        )
        providers: dict[str, Provider] = {}
        for model_provider in build_providers(
            settings.provider_specs,
            load_models(settings.models_file),
            temperature=settings.llm_temperature,
            max_tokens=settings.llm_max_tokens,
        ).values():
            stack.push_async_callback(model_provider.aclose)
            providers[model_provider.name] = watched(model_provider)
        extractive = ExtractiveProvider(max_sentences=settings.max_sentences)
        providers[extractive.name] = watched(extractive)
        engine = Engine(
            providers=providers,
            prompts=prompts,
            conversations=conversations,
            clock=clock,
            evidence_threshold=settings.evidence_threshold,
            max_output_tokens=settings.llm_max_tokens,
            provider_timeout_seconds=settings.llm_timeout_seconds,
        )
        servicer = AnswerServicer(
            engine=engine,
            rewriter=Rewriter(conversations, engine.provider),
            conversations=conversations,
            prompts=prompts,
            providers=providers,
        )
        registration = ServiceRegistration(
            SERVICE_NAME, partial(add_AnswerServiceServicer_to_server, servicer)
        )
        yield await stack.enter_async_context(
            serve(name="answer", settings=settings, services=[registration], clock=clock)
        )
