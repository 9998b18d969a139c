"""A stand-in for a service, run as a process: serves health checks, and for the gateway the public calls.

Its behaviour comes from the environment: STANDIN_NAME, STANDIN_PORT, STANDIN_DELAY (seconds until it is
healthy), STANDIN_DIES (`<name>:<seconds>`: that one dies then with exit code 3), STANDIN_STUBBORN
(SIGTERM is ignored).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TextIO

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from docuquery.gateway.v1.docuquery_service_pb2_grpc import add_DocuQueryServiceServicer_to_server
from tests.rpc.client_support import FakeGateway


def say(line: str, stream: TextIO = sys.stdout) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def main() -> None:
    name = os.environ["STANDIN_NAME"]
    port = os.environ.get("STANDIN_PORT") or os.environ[f"{name.upper()}_PORT"]
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None if os.environ.get("STANDIN_STUBBORN") else ended.set())
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
    states = health.HealthServicer()
    states.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    if name == "gateway":
        add_DocuQueryServiceServicer_to_server(FakeGateway(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    say(f"{name} starts")
    ended.wait(float(os.environ.get("STANDIN_DELAY", "0")))
    states.set("", health_pb2.HealthCheckResponse.SERVING)
    say(f"{name} serves with {os.environ.get('STANDIN_WORD', 'nothing')}", sys.stderr)
    dies, _, after = os.environ.get("STANDIN_DIES", "").partition(":")
    lifetime = float(after) if dies == name else None
    if ended.wait(lifetime):
        server.stop(None).wait()
        say(f"{name} stopped")
        return
    say(f"{name} gives up")
    os._exit(3)


main()
