"""LangChain with Qdrant, as its documentation has it, with our default embedder's vectors."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

from benchmarks.peers.job import Job, run_peer, whole
from services.retrieval.embedders.local import DIMENSIONS, LocalEmbedder


class Vectors(Embeddings):  # type: ignore[misc] # not installed where types are checked
    """Adapts the embedder."""

    def __init__(self) -> None:
        self._embedder = LocalEmbedder.load()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed(texts).tolist()  # type: ignore[no-any-return]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class LangChain:
    """Implements `Peer`."""

    def __init__(self, job: Job) -> None:
        client = QdrantClient(
            "127.0.0.1",
            port=job.http_port,
            grpc_port=job.grpc_port,
            prefer_grpc=True,
            check_compatibility=False,
        )
        client.create_collection(
            "documents", vectors_config=VectorParams(size=DIMENSIONS, distance=Distance.COSINE)
        )
        self._splitter = RecursiveCharacterTextSplitter(
            chunk_size=job.chunk_characters, chunk_overlap=job.overlap_characters
        )
        self._store = QdrantVectorStore(client, "documents", Vectors())

    def ingest(self, documents: Sequence[tuple[str, str, str]]) -> int:
        chunks = self._splitter.split_documents(
            [Document(whole(title, text), metadata={"id": key}) for key, title, text in documents]
        )
        self._store.add_documents(chunks)
        return len(chunks)

    def search(self, query: str, limit: int) -> list[str]:
        return [found.metadata["id"] for found in self._store.similarity_search(query, k=limit)]


if __name__ == "__main__":
    run_peer(LangChain, ("langchain-core", "langchain-qdrant", "langchain-text-splitters", "qdrant-client"))
