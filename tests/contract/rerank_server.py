"""A `/rerank` endpoint on a loopback port, in the shapes that servers have, and with their faults."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


def common_words(query: str, text: str) -> float:
    """How many words of the query the text has: the server's model."""
    return float(len({*query.lower().split()} & {*text.lower().replace(".", " ").split()}))


class RerankServer:
    """Serves while entered. `status`, `answer` and `delay_seconds` make it misbehave."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.answer: Any = None
        """Sent instead of a ranking, when set."""
        self.delay_seconds = 0.0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.requests.append(body)
                owner.headers.append(dict(self.headers))
                time.sleep(owner.delay_seconds)
                reply = owner.answer if owner.answer is not None else ranking(body)
                content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                with suppress(ConnectionError):  # the caller went away
                    self.send_response(owner.status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/rerank"

    def __enter__(self) -> RerankServer:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def ranking(body: dict[str, Any]) -> Any:
    """Best first, as such servers answer: TEI's shape, or that of Jina and Cohere if there is a model."""
    texts = body["documents"] if "model" in body else body["texts"]
    key = "relevance_score" if "model" in body else "score"
    found = [{"index": i, key: common_words(body["query"], text)} for i, text in enumerate(texts)]
    found.sort(key=lambda result: -result[key])
    return {"results": found, "model": body["model"]} if "model" in body else found
