"""The asynchronous client: one method for each public call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self, Unpack

from docuquery.common.v1.conversation_pb2 import Conversation
from docuquery.common.v1.document_pb2 import Document, DocumentStatus, DocumentType, IfExistsPolicy
from docuquery.common.v1.filter_pb2 import Filter
from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client.connection import CallOptions, Connection, check_options
from docuquery_client.errors import stream_truncated
from docuquery_client.filters import JsonValue, to_struct
from docuquery_client.tls import Tls
from docuquery_client.upload_files import FilePath, UploadEvent, UploadFile, as_upload_files
from docuquery_client.uploads import (
    DEFAULT_IDLE_TIMEOUT_SECONDS,
    DEFAULT_IN_FLIGHT,
    SentCallback,
    UploadStream,
)

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS = 60.0
"""As long as a server without other instructions works on an answer."""


class AsyncDocuQuery:
    """A client of one DocuQuery server.

    `address` is `host:port` or any gRPC name. `api_key` decides whose documents are seen; without
    `tls` it travels unencrypted. `timeout_seconds` holds
    for each call but uploads in a stream, which have an idle timeout instead.

    Methods return the reply of their call in the contract, or what it holds where the reply is only an
    envelope (`Document`, `QueryResult`, `Conversation`). All raise ApiError. Use it as an async context
    manager, or call `close`; it belongs to the event loop it is first used on.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        api_key: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        tls: Tls | None = None,
    ) -> None:
        self._connection = Connection(address, api_key, timeout_seconds, tls)
        self._call = self._connection.call

    @property
    def address(self) -> str:
        """The server's address."""
        return self._connection.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls under way are cancelled. A later call opens a new one."""
        await self._connection.close()

    async def upload_document(
        self,
        filename: str,
        content: bytes,
        *,
        type: DocumentType.ValueType = DocumentType.DOCUMENT_TYPE_UNSPECIFIED,
        source: str = "",
        metadata: Mapping[str, JsonValue] | None = None,
        if_exists: IfExistsPolicy.ValueType = IfExistsPolicy.IF_EXISTS_POLICY_UNSPECIFIED,
        password: str = "",
        language: str = "",
        **options: Unpack[CallOptions],
    ) -> pb.UploadDocumentResponse:
        """Uploads one small document (4 MiB by default) and waits until it is searchable.

        The fields are those of UploadDocumentRequest; `metadata` None leaves a document that is there as it
        is described, {} takes its metadata away. For files use `upload_many`.
        """
        request = pb.UploadDocumentRequest(
            filename=filename, content=content, type=type, source=source,
            metadata=None if metadata is None else to_struct(metadata),
            if_exists=if_exists, password=password, language=language,
        )  # fmt: skip
        return await self._call(self._connection.stub.UploadDocument, request, options)

    async def upload_many(
        self,
        files: Iterable[FilePath | UploadFile],
        *,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        idle_timeout_seconds: float = DEFAULT_IDLE_TIMEOUT_SECONDS,
        on_sent: SentCallback | None = None,
        request_id: str = "",
    ) -> AsyncGenerator[UploadEvent, None]:
        """Uploads files over one stream and yields what happens to each, as it happens.

        Files are opened one after another and read in pieces, so memory does not grow with them; at most
        `max_in_flight` documents wait for their final acknowledgement. Each file ends with an event
        whose `finished` is true, failed ones too: one bad file never ends the stream. `on_sent(file,
        size)` is told each piece sent. `idle_timeout_seconds` without any progress end the call.

        Raises ApiError when the stream breaks; files without a final event may be sent again (see
        `upload_resuming`, which does it). Close the iterator (`contextlib.aclosing`) when leaving early.
        """
        check_options({"request_id": request_id})
        stream = UploadStream(
            as_upload_files(files),
            max_in_flight=max_in_flight,
            idle_timeout_seconds=idle_timeout_seconds,
            on_sent=on_sent,
        )
        async with self._connection.translated(request_id) as used_id:
            call = self._connection.stub.UploadDocuments(metadata=self._connection.metadata(used_id))
            async with aclosing(stream.run(call, used_id)) as events:
                async for event in events:
                    yield event

    async def get_document(self, document_id: str, **options: Unpack[CallOptions]) -> Document:
        """One document with its status."""
        request = pb.GetDocumentRequest(document_id=document_id)
        return (await self._call(self._connection.stub.GetDocument, request, options)).document

    async def list_documents(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        statuses: Sequence[DocumentStatus.ValueType] = (),
        types: Sequence[DocumentType.ValueType] = (),
        filter: Filter | None = None,
        **options: Unpack[CallOptions],
    ) -> pb.ListDocumentsResponse:
        """One page of documents, newest first. `documents` walks all pages."""
        request = pb.ListDocumentsRequest(
            page_size=page_size, page_token=page_token, statuses=statuses, types=types, filter=filter
        )
        return await self._call(self._connection.stub.ListDocuments, request, options)

    async def documents(
        self,
        *,
        statuses: Sequence[DocumentStatus.ValueType] = (),
        types: Sequence[DocumentType.ValueType] = (),
        filter: Filter | None = None,
        page_size: int = 0,
    ) -> AsyncGenerator[Document, None]:
        """All documents, newest first, fetched page by page as they are asked for."""
        token = ""
        while True:
            page = await self.list_documents(
                page_size=page_size, page_token=token, statuses=statuses, types=types, filter=filter
            )
            for document in page.documents:
                yield document
            token = page.next_page_token
            if not token:
                return

    async def delete_document(
        self, document_id: str, **options: Unpack[CallOptions]
    ) -> pb.DeleteDocumentResponse:
        """Deletes a document; no search uses it once this has returned."""
        request = pb.DeleteDocumentRequest(document_id=document_id)
        return await self._call(self._connection.stub.DeleteDocument, request, options)

    async def get_stats(self, **options: Unpack[CallOptions]) -> pb.GetStatsResponse:
        """Counts of the caller's documents."""
        return await self._call(self._connection.stub.GetStats, pb.GetStatsRequest(), options)

    async def search(
        self,
        query: str,
        *,
        limit: int | None = None,
        mode: SearchMode.ValueType = SearchMode.SEARCH_MODE_UNSPECIFIED,
        filter: Filter | None = None,
        score_threshold: float | None = None,
        rerank: bool | None = None,
        max_per_document: int = 0,
        expand_chunks: int = 0,
        **options: Unpack[CallOptions],
    ) -> pb.SearchResponse:
        """The passages most relevant to `query`, best first; the fields are those of SearchRequest."""
        request = pb.SearchRequest(
            query=query, limit=limit, mode=mode, filter=filter, score_threshold=score_threshold,
            rerank=rerank, max_per_document=max_per_document, expand_chunks=expand_chunks,
        )  # fmt: skip
        return await self._call(self._connection.stub.Search, request, options)

    async def get_passage(
        self,
        document_id: str,
        char_start: int,
        char_end: int,
        *,
        version: str = "",
        context_characters: int | None = None,
        **options: Unpack[CallOptions],
    ) -> pb.GetPassageResponse:
        """The text of a citation's span with its surroundings; offsets in code points, end exclusive."""
        request = pb.GetPassageRequest(
            document_id=document_id,
            version=version,
            char_start=char_start,
            char_end=char_end,
            context_characters=context_characters,
        )
        return await self._call(self._connection.stub.GetPassage, request, options)

    async def ask(
        self,
        question: str,
        *,
        conversation_id: str = "",
        top_k: int | None = None,
        include_sources: bool | None = None,
        filter: Filter | None = None,
        mode: SearchMode.ValueType = SearchMode.SEARCH_MODE_UNSPECIFIED,
        score_threshold: float | None = None,
        prompt_version: str = "",
        provider: str = "",
        rerank: bool | None = None,
        max_per_document: int = 0,
        expand_chunks: int | None = None,
        no_cache: bool = False,
        **options: Unpack[CallOptions],
    ) -> pb.QueryResult:
        """Answers a question from the documents. The fields are those of QueryRequest."""
        query = pb.QueryRequest(
            question=question, conversation_id=conversation_id, top_k=top_k, include_sources=include_sources,
            filter=filter, mode=mode, score_threshold=score_threshold, prompt_version=prompt_version,
            provider=provider, rerank=rerank, max_per_document=max_per_document, expand_chunks=expand_chunks,
            no_cache=no_cache,
        )  # fmt: skip
        return await self.query(query, **options)

    async def query(self, request: pb.QueryRequest, **options: Unpack[CallOptions]) -> pb.QueryResult:
        """`ask` for a request made by hand."""
        return (await self._call(self._connection.stub.Query, request, options)).result

    async def ask_stream(
        self, question: str | pb.QueryRequest, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[pb.StreamQueryResponse, None]:
        """Answers a question as the answer is written; a QueryRequest carries more than the question.

        Yields the events of StreamQueryResponse in their order, `completed` last. Raises ApiError when
        the stream fails, and when it ends without `completed`: the text so far is then incomplete.
        """
        query = pb.QueryRequest(question=question) if isinstance(question, str) else question
        connection = self._connection
        check_options(options)
        async with connection.translated(options.get("request_id", "")) as request_id:
            call = connection.stub.StreamQuery(
                pb.StreamQueryRequest(query=query),
                timeout=connection.timeout(options),
                metadata=connection.metadata(request_id),
            )
            completed = False
            try:
                async for event in call:
                    completed = event.WhichOneof("event") == "completed"
                    yield event
            finally:
                call.cancel()  # a stream that is left early would go on in the server
        if not completed:
            raise stream_truncated(request_id)

    async def get_conversation(self, conversation_id: str, **options: Unpack[CallOptions]) -> Conversation:
        """The kept turns of a conversation."""
        request = pb.GetConversationRequest(conversation_id=conversation_id)
        return (await self._call(self._connection.stub.GetConversation, request, options)).conversation

    async def delete_conversation(
        self, conversation_id: str, **options: Unpack[CallOptions]
    ) -> pb.DeleteConversationResponse:
        """Forgets a conversation."""
        request = pb.DeleteConversationRequest(conversation_id=conversation_id)
        return await self._call(self._connection.stub.DeleteConversation, request, options)

    async def get_system_status(self, **options: Unpack[CallOptions]) -> pb.GetSystemStatusResponse:
        """Every component, provider and circuit breaker."""
        return await self._call(self._connection.stub.GetSystemStatus, pb.GetSystemStatusRequest(), options)

    async def list_prompts(self, **options: Unpack[CallOptions]) -> pb.ListPromptsResponse:
        """The prompt versions a query can name."""
        return await self._call(self._connection.stub.ListPrompts, pb.ListPromptsRequest(), options)
