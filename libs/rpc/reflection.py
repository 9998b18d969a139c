"""gRPC reflection with JSON names, so that grpcurl speaks lower camel case as the JSON mapping says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

from libs.rpc.layered import LayeredServer


def add_reflection(service_names: Iterable[str], server: LayeredServer) -> None:
    """Serves reflection for the services of these full names, and for reflection itself."""
    names = (*service_names, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names, pool=_FindsMethods(_pool_with_json_names(names)))
    add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]


class _FindsMethods:
    """A pool that knows in which file a method stands, too: tools ask for `package.Service.Method`."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """Raises KeyError."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            if method not in found.methods_by_name:
                raise
            return found.file


def _pool_with_json_names(names: Iterable[str]) -> descriptor_pool.DescriptorPool:
    """A pool of the files that hold these services, and all they import.

    protoc leaves `json_name` out of what it embeds in Python code; without it, tools that learn the
    contract by reflection show and expect snake case.
    """
    pool = descriptor_pool.DescriptorPool()
    seen: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        for message in proto.message_type:
            _name_fields(message)
        pool.AddSerializedFile(proto.SerializeToString())

    default = descriptor_pool.Default()
    for name in names:
        add(default.FindFileContainingSymbol(name))
    add(error_details_pb2.DESCRIPTOR)  # tools show a Status's details only when they know their types
    return pool


def _name_fields(message: DescriptorProto) -> None:
    for field in message.field:
        head, *rest = field.name.split("_")
        field.json_name = head + "".join(part[:1].upper() + part[1:] for part in rest)
    for nested in message.nested_type:
        _name_fields(nested)
