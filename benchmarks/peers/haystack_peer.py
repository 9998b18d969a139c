"""Haystack with Qdrant, as its documentation has it, with our default embedder's vectors."""

from __future__ import annotations

from collections.abc import Sequence

from haystack import Document
from haystack.components.preprocessors import RecursiveDocumentSplitter
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from benchmarks.peers.job import Job, run_peer, whole
from services.retrieval.embedders.local import DIMENSIONS, LocalEmbedder


class Haystack:
    """Implements `Peer`."""

    def __init__(self, job: Job) -> None:
        self._embedder = LocalEmbedder.load()
        self._store = QdrantDocumentStore(
            host="127.0.0.1",
            port=job.http_port,
            grpc_port=job.grpc_port,
            prefer_grpc=True,
            https=False,
            index="documents",
            embedding_dim=DIMENSIONS,
            progress_bar=False,
        )
        self._splitter = RecursiveDocumentSplitter(
            split_length=job.chunk_characters,
            split_overlap=job.overlap_characters,
            split_unit="char",
            separators=["\n\n", "\n", ". ", " "],  # "sentence" would fetch a model of nltk's
        )
        self._retriever = QdrantEmbeddingRetriever(self._store)

    def ingest(self, documents: Sequence[tuple[str, str, str]]) -> int:
        whole_ones = [
            Document(content=whole(title, text), meta={"key": key}) for key, title, text in documents
        ]
        chunks = [
            chunk for chunk in self._splitter.run(documents=whole_ones)["documents"] if chunk.content.strip()
        ]
        vectors = self._embedder.embed([chunk.content for chunk in chunks]).tolist()
        embedded = [
            Document(
                content=chunk.content, meta={"key": chunk.meta["key"], "number": number}, embedding=vector
            )
            for number, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True))
        ]
        stored: int = self._store.write_documents(embedded, DuplicatePolicy.OVERWRITE)
        return stored

    def search(self, query: str, limit: int) -> list[str]:
        vector = self._embedder.embed([query])[0].tolist()
        found = self._retriever.run(query_embedding=vector, top_k=limit)["documents"]
        return [document.meta["key"] for document in found]


if __name__ == "__main__":
    run_peer(Haystack, ("haystack-ai", "qdrant-haystack", "qdrant-client"))
