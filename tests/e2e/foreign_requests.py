"""Requests made from the contracts' descriptors: every method of every service, with somebody else's ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from docuquery.answer.v1 import answer_service_pb2
from docuquery.gateway.v1 import admin_service_pb2, docuquery_service_pb2
from docuquery.ingest.v1 import ingest_service_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2

SERVICES: Mapping[str, tuple[ModuleType, ...]] = {
    "gateway": (docuquery_service_pb2, admin_service_pb2),
    "ingest": (ingest_service_pb2,),
    "retrieval": (retrieval_service_pb2,),
    "answer": (answer_service_pb2,),
}
"""By the process that serves them."""

OWN_CHOICE = {"upload_id", "query_id"}
"""Fields that end like ids, but name nothing that is kept."""

NEEDED: Mapping[str, Any] = {
    # What a request must have before anybody looks at its ids.
    "question": "Which stone lies in the cellar?",
    "query": "Which stone lies in the cellar?",
    "filename": "foreign.txt",
    "content": b"A document of the other tenant.",
    "data": b"A document of the other tenant.",
    "text": "x",
    "char_end": 1,
    "byte_end": 1,
    "chunk_count": 1,
    "character_count": 1,
    "limit": 5,
    "upload_id": "u",
    "provider": "extractive",
    "message": "Something.",
    "reason": 26,
    "target": "service:answer",
    "override": 1,
    "key": b"k",
    "generation": b"g",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One method, the messages to send, and which of somebody else's ids they name."""

    service: str
    method: MethodDescriptor
    requests: tuple[Message, ...]
    names: frozenset[str]

    @property
    def path(self) -> str:
        """As gRPC addresses it."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def response_class(self) -> type[Message]:
        """What comes back."""
        return GetMessageClass(self.method.output_type)


def calls(ids: Mapping[str, str]) -> Iterator[Call]:
    """Every method there is; `ids` by the name of the field they go into.

    Raises KeyError for a field that looks like an id and is not known here: say in `ids` whose it is, or in
    OWN_CHOICE that it names nothing that is kept.
    """
    for service, modules in SERVICES.items():
        for module in modules:
            for described in module.DESCRIPTOR.services_by_name.values():
                for method in described.methods:
                    used: set[str] = set()
                    requests = tuple(_requests(method.input_type, ids, used))
                    yield Call(service, method, requests, frozenset(used))


def _requests(kind: Descriptor, ids: Mapping[str, str], used: set[str]) -> Iterator[Message]:
    parts = kind.oneofs_by_name.get("part")
    if parts is None:
        yield _filled(kind, ids, used, skip=frozenset())
        return
    names = [field.name for field in parts.fields]
    for name in names:  # a stream: one message of each part, in order
        yield _filled(kind, ids, used, skip=frozenset(names) - {name})


def _filled(kind: Descriptor, ids: Mapping[str, str], used: set[str], skip: frozenset[str]) -> Message:
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if field.name in skip:
            continue
        if field.message_type is not None:
            if field.message_type.full_name.startswith("docuquery.") and _is_filled(field):
                inner = _filled(field.message_type, ids, used, frozenset())
                target = getattr(message, field.name)
                target.append(inner) if field.is_repeated else target.CopyFrom(inner)
        elif field.name in ids:
            used.add(field.name)
            setattr(message, field.name, ids[field.name])
        elif field.name in NEEDED and not field.is_repeated:
            setattr(message, field.name, NEEDED[field.name])
        elif field.name.endswith(("_id", "_token")) and field.name not in OWN_CHOICE:
            raise KeyError(f"{kind.full_name}.{field.name}")
    return message


def _is_filled(field: FieldDescriptor) -> bool:
    """Messages with ids, or such as a request is refused without.

    Not passages: they are what the caller hands over, and name nothing that is looked up.
    """
    return field.name in ("query", "header", "footer", "chunks", "span", "text_span", "error")
