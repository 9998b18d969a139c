"""Kept answers: messages to domain objects and back."""

from __future__ import annotations

from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import Violations
from services.retrieval.answers.cache import Hit, LookedUp
from services.retrieval.answers.memory import Answer
from services.retrieval.search.searcher import MAX_QUERY_CHARACTERS

_MAX_KEY_BYTES = 64


def check_lookup(request: pb.LookupAnswerRequest) -> None:
    """Raises INVALID_REQUEST."""
    faults = Violations()
    _check(request, faults)
    faults.raise_if_any()


def answer_from_proto(request: pb.StoreAnswerRequest) -> Answer:
    """An answer to keep. Raises INVALID_REQUEST."""
    faults = Violations()
    _check(request, faults)
    faults.require(bool(request.corpus_revision), "corpus_revision", "must be that of a LookupAnswer")
    faults.require(bool(request.sources), "sources", "must be at least one passage")
    faults.raise_if_any()
    kept = pb.StoredAnswer(sources=request.sources, generation=request.generation)
    documents = frozenset((source.document_id, source.version) for source in request.sources)
    return Answer(request.question, documents, kept.SerializeToString())


def looked_up_to_proto(looked_up: LookedUp) -> pb.LookupAnswerResponse:
    """What a look-up found."""
    answer = _hit_to_proto(looked_up.hit) if looked_up.hit else None
    return pb.LookupAnswerResponse(corpus_revision=looked_up.revision, answer=answer)


def _hit_to_proto(hit: Hit) -> pb.StoredAnswer:
    answer = pb.StoredAnswer.FromString(hit.answer.payload)
    answer.question = hit.answer.question
    answer.similarity = hit.similarity
    answer.age_seconds = hit.age_seconds
    return answer


def _check(request: pb.LookupAnswerRequest | pb.StoreAnswerRequest, faults: Violations) -> None:
    faults.require(
        bool(request.question.strip()) and len(request.question) <= MAX_QUERY_CHARACTERS,
        "question",
        f"must be 1 to {MAX_QUERY_CHARACTERS} characters, not all of them white space",
    )
    faults.require(1 <= len(request.key) <= _MAX_KEY_BYTES, "key", f"must be 1 to {_MAX_KEY_BYTES} bytes")
