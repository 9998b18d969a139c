"""The AnswerService: converts, delegates, raises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from docuquery.answer.v1 import answer_service_pb2 as pb
from docuquery.answer.v1 import answer_service_pb2_grpc as rpc
from libs.clock import Clock
from libs.rpc.context import current_call
from services.answer import convert
from services.answer.conversations.protocol import Conversations
from services.answer.engine import Engine
from services.answer.events import Completed, Started
from services.answer.follow_ups.rewriter import Rewriter
from services.answer.joining import joined
from services.answer.prompts.manager import PromptManager
from services.answer.providers.protocol import Provider


class AnswerServicer(rpc.AnswerServiceServicer):
    """Serves the contract over the engine, the conversations and the prompts."""

    def __init__(
        self,
        *,
        engine: Engine,
        rewriter: Rewriter,
        conversations: Conversations,
        prompts: PromptManager,
        providers: Mapping[str, Provider],
        configurations: Mapping[str, str],
        clock: Clock,
    ) -> None:
        """`configurations`: by provider, the digest of all that its answers depend on."""
        self._engine = engine
        self._rewriter = rewriter
        self._conversations = conversations
        self._prompts = prompts
        self._providers = providers
        self._configurations = configurations
        self._clock = clock

    async def Generate(
        self, request: pb.GenerateRequest, _context: object
    ) -> AsyncIterator[pb.GenerateResponse]:
        """See the contract."""
        call = current_call()
        task = convert.task_from_proto(request)
        async with (
            aclosing(self._engine.generate(task, call.identity.tenant, call.deadline)) as events,
            aclosing(joined(events)) as joint,
        ):
            async for event in joint:
                if request.stream_text or isinstance(event, Started | Completed):
                    yield convert.event_to_proto(event)

    async def RewriteQuestion(
        self, request: pb.RewriteQuestionRequest, _context: object
    ) -> pb.RewriteQuestionResponse:
        """See the contract."""
        call = current_call()
        conversation_id, question = convert.follow_up_from_proto(request)
        rewritten = await self._rewriter.rewrite(
            call.identity.tenant,
            conversation_id,
            question,
            request.provider,
            call.deadline.remaining(),
        )
        return pb.RewriteQuestionResponse(
            standalone_question=rewritten.text, is_self_contained=rewritten.is_self_contained
        )

    async def GetConversation(
        self, request: pb.GetConversationRequest, _context: object
    ) -> pb.GetConversationResponse:
        """See the contract."""
        conversation_id = convert.conversation_id_from_proto(request)
        kept = await self._conversations.get(current_call().identity.tenant, conversation_id)
        return pb.GetConversationResponse(conversation=convert.conversation_to_proto(conversation_id, kept))

    async def AppendTurn(self, request: pb.AppendTurnRequest, _context: object) -> pb.AppendTurnResponse:
        """See the contract."""
        conversation_id = convert.conversation_id_from_proto(request)
        turn = convert.turn_from_proto(request, self._clock.now())
        await self._conversations.append(current_call().identity.tenant, conversation_id, turn)
        return pb.AppendTurnResponse()

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, _context: object
    ) -> pb.DeleteConversationResponse:
        """See the contract."""
        conversation_id = convert.conversation_id_from_proto(request)
        deleted = await self._conversations.delete(current_call().identity.tenant, conversation_id)
        return pb.DeleteConversationResponse(deleted_turn_count=deleted)

    async def ListPrompts(self, _request: pb.ListPromptsRequest, _context: object) -> pb.ListPromptsResponse:
        """See the contract."""
        return pb.ListPromptsResponse(
            prompts=[convert.prompt_to_proto(prompt) for prompt in self._prompts.versions()]
        )

    async def ListProviders(
        self, _request: pb.ListProvidersRequest, _context: object
    ) -> pb.ListProvidersResponse:
        """See the contract."""
        return pb.ListProvidersResponse(
            providers=[
                convert.provider_to_proto(provider, self._configurations[name])
                for name, provider in self._providers.items()
            ]
        )
