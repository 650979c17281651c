# SPDX-License-Identifier: Apache-2.0
"""The messages and calls of the protocol ``flk.state.v1``, by their names there.

They are built from descriptors that the installation generates. Unlike generated code, descriptors work with any
version of protobuf, whichever protoc wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

# the descriptors refer to these files
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, timestamp_pb2  # noqa: F401
from google.protobuf.internal import builder

_FILE = Path(__file__).with_name("protocol.binpb")
_services: dict[str, Any] = {}


def _load() -> None:
    try:
        descriptors = _FILE.read_bytes()
    except FileNotFoundError:
        raise ImportError(f"{_FILE} is missing: install the package with pip, which generates it") from None
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        found = descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
        builder.BuildMessageAndEnumDescriptors(found, globals())
        builder.BuildTopDescriptorsAndMessages(found, __name__, globals())
        _services.update({f"{file.package}.{service.name}": service for service in file.service})


def __getattr__(name: str) -> Any:
    raise AttributeError(f"the protocol has no {name}: install the package again if the protocol has changed")


def _message(type_name: str) -> Any:
    return globals()[type_name.rpartition(".")[2]]


class Stub:
    """The calls of a service on a connection."""

    def __init__(self, channel: grpc.Channel, service: str):
        for method in _services[service].method:
            kind = channel.unary_stream if method.server_streaming else channel.unary_unary
            call = kind(
                f"/{service}/{method.name}",
                request_serializer=_message(method.input_type).SerializeToString,
                response_deserializer=_message(method.output_type).FromString,
            )
            setattr(self, method.name, call)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the service has no call {name}")


def add_to_server(servicer: Any, server: grpc.Server, service: str) -> None:
    """Lets a server answer the calls of a service that the servicer has methods for."""
    handlers = {}
    for method in _services[service].method:
        if hasattr(servicer, method.name):
            kind = (
                grpc.unary_stream_rpc_method_handler
                if method.server_streaming
                else grpc.unary_unary_rpc_method_handler
            )
            handlers[method.name] = kind(
                getattr(servicer, method.name),
                request_deserializer=_message(method.input_type).FromString,
                response_serializer=_message(method.output_type).SerializeToString,
            )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


_load()
