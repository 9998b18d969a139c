"""The HTTP port Prometheus scrapes, on a thread of its own: a slow scraper keeps no call waiting.

Gauges that are followed are read on the event loop, so that nothing is read half changed; when the loop is
too busy for that, the last values are shown rather than none.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)

from libs.telemetry import metrics

log = structlog.get_logger()

_LOOP_SECONDS = 1.0
_CLIENT_SECONDS = 5.0
"""How long a client may keep the port busy; there is one at a time."""


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # the name is the base class's
        """Scrapes are not logged."""


class _Server(WSGIServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # the same
        """A client that goes away in the middle is nobody's fault."""


class MetricsPort:
    """Collects from now on and shows it on `host:port`, under any path. Raises OSError: port taken."""

    def __init__(self, host: str, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        metrics.turn_on(registry)
        server_class: type[_Server] = type("_Family", (_Server,), {"address_family": _family(host)})
        app: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

        def refreshed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            self._refresh()
            return app(environ, start_response)

        try:
            self._server = make_server(host, port, refreshed, server_class, _Handler)
        except OSError as error:
            metrics.turn_off()
            raise OSError(f"cannot show metrics on {host}:{port}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def _refresh(self) -> None:
        done = threading.Event()

        def on_loop() -> None:
            try:
                metrics.refresh()
            except Exception as error:
                log.error("metrics_not_read", exc_info=error)
            done.set()

        try:
            self._loop.call_soon_threadsafe(on_loop)
        except RuntimeError:
            return  # the loop has ended: the process is about to
        done.wait(_LOOP_SECONDS)

    def close(self) -> None:
        """Ends the port and stops collecting."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_CLIENT_SECONDS)
        metrics.turn_off()


def _family(host: str) -> socket.AddressFamily:
    found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return found[0][0]
