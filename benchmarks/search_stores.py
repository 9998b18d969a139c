"""The stores a search is measured on, started for the measurement."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.qdrant_server import Node, cluster, one_server

STORES = ("edge", "server", "cluster")
_SETTLE_SECONDS = 5400.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class StartedStore:
    """Where the services find a store, and the processes it is made of."""

    env: Mapping[str, str]
    nodes: Sequence[Node] = ()

    def settle(self) -> None:
        """Waits until every node has built its indexes; the embedded store has none to build."""
        for node in self.nodes:
            _settle(node)


@contextmanager
def started(store: str | None, folder: Path) -> Iterator[StartedStore]:
    """The store of that name, kept below `folder`; None is what the environment names."""
    env = {"DATA_DIR": f"{folder}/data"}
    if store in (None, "edge"):
        yield StartedStore(env | ({"VECTOR_STORE": "edge"} if store else {}))
        return
    start = {"server": one_server, "cluster": cluster}[str(store)]
    with start(folder / str(store)) as servers:
        yield StartedStore(env | {"VECTOR_STORE": "qdrant", "QDRANT_URL": servers.url}, servers.nodes)


def _settle(node: Node) -> None:
    give_up = time.monotonic() + _SETTLE_SECONDS
    # An optimizer may be about to start: twice in a row is settled.
    green = 0
    while green < 2:
        if time.monotonic() > give_up:
            raise SystemExit("The server has not built its indexes within an hour and a half.")
        time.sleep(_POLL_SECONDS)
        names = [found["name"] for found in _get(node, "collections")["collections"]]
        states = [_get(node, f"collections/{name}")["status"] for name in names]
        green = green + 1 if all(state == "green" for state in states) else 0


def _get(node: Node, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.http_port}/{path}", timeout=30) as reply:
        answer: dict[str, Any] = json.load(reply)["result"]
    return answer
