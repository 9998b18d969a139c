"""Asks a service for its health: `python -m libs.rpc.probe [NAME]`; the HEALTHCHECK of the image.

NAME is what to ask for, `readiness` unless said otherwise (see health.py). The port is that of the one
`<SERVICE>_HEALTH_PORT` that is set: a container runs one service. Exit codes: 0 SERVING, 1 anything else,
2 no port is set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from libs.rpc.health import READINESS

_SUFFIX = "_HEALTH_PORT"
_TIMEOUT_SECONDS = 3.0
EXIT_SERVING, EXIT_NOT_SERVING, EXIT_NO_PORT = 0, 1, 2


def health_port(environment: Mapping[str, str]) -> int:
    """The health port of the service this environment is for; 0: none is set, or several differ."""
    set_ones = {value for name, value in environment.items() if name.endswith(_SUFFIX)} - {"", "0"}
    return int(set_ones.pop()) if len(set_ones) == 1 else 0


def check(port: int, name: str) -> str:
    """What the health check on this port of loopback says of `name`: `SERVING`, or why not."""
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        try:
            reply = HealthStub(channel).Check(  # type: ignore[attr-defined]  # the stubs do not have it
                HealthCheckRequest(service=name), timeout=_TIMEOUT_SECONDS
            )
        except grpc.RpcError as error:
            return str(error.code().name)
    return HealthCheckResponse.ServingStatus.Name(reply.status)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Asks once and prints the answer; returns the exit code."""
    port = health_port(environment)
    if not port:
        sys.stderr.write("No health port, or more than one: set <SERVICE>_HEALTH_PORT.\n")
        return EXIT_NO_PORT
    state = check(port, arguments[0] if arguments else READINESS)
    sys.stdout.write(f"{state}\n")
    return EXIT_SERVING if state == "SERVING" else EXIT_NOT_SERVING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
