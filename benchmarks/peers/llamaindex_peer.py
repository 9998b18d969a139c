"""LlamaIndex with Qdrant, as its documentation has it, with our default embedder's vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from benchmarks.peers.job import Job, run_peer, whole
from services.retrieval.embedders.local import LocalEmbedder

_EMBEDDER = LocalEmbedder.load()
_SENTENCES = re.compile(r"[^.!?]*[.!?]+\s*|[^.!?]+")


class Vectors(BaseEmbedding):  # type: ignore[misc] # not installed where types are checked
    """Adapts the embedder."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return _EMBEDDER.embed(texts).tolist()  # type: ignore[no-any-return]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class LlamaIndex:
    """Implements `Peer`."""

    def __init__(self, job: Job) -> None:
        client = QdrantClient(
            "127.0.0.1",
            port=job.http_port,
            grpc_port=job.grpc_port,
            prefer_grpc=True,
            check_compatibility=False,
        )
        store = QdrantVectorStore("documents", client=client)
        # Its sizes are tokens: a tokenizer that makes one of each character makes them characters.
        splitter = SentenceSplitter(
            chunk_size=job.chunk_characters,
            chunk_overlap=job.overlap_characters,
            tokenizer=list,
            chunking_tokenizer_fn=_SENTENCES.findall,  # its own would fetch a model of nltk's
        )
        self._splitter = splitter
        self._index = VectorStoreIndex(
            [], storage_context=StorageContext.from_defaults(vector_store=store), embed_model=Vectors()
        )

    def ingest(self, documents: Sequence[tuple[str, str, str]]) -> int:
        # What is told about a document is neither part of its vector nor of its chunks' size.
        hidden = {"excluded_embed_metadata_keys": ["key"], "excluded_llm_metadata_keys": ["key"]}
        nodes = self._splitter.get_nodes_from_documents(
            [
                Document(text=whole(title, text), metadata={"key": key}, **hidden)
                for key, title, text in documents
            ]
        )
        self._index.insert_nodes(nodes)
        return len(nodes)

    def search(self, query: str, limit: int) -> list[str]:
        found = self._index.as_retriever(similarity_top_k=limit).retrieve(query)
        return [one.node.metadata["key"] for one in found]


if __name__ == "__main__":
    run_peer(LlamaIndex, ("llama-index-core", "llama-index-vector-stores-qdrant", "qdrant-client"))
