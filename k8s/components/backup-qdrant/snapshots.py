"""Saves and restores the collections of a Qdrant cluster, node by node, by its snapshots.

    python snapshots.py save              into BACKUP_DIR/<time>; forgets what is older than BACKUP_KEEP_DAYS
    python snapshots.py restore FOLDER    one of those, into a cluster of as many nodes

QDRANT_NODES lists the HTTP addresses; QDRANT_API_KEY and QDRANT_CA_FILE may be left out. Records are saved
before chunks: a document that is added meanwhile is missing as a whole, and not half there. One that is
replaced or deleted within the seconds between may lack its chunks after a restore: upload it again.
"""

import hashlib
import json
import os
import shutil
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import quote

_BLOCK = 2**20
_TIMEOUT_SECONDS = 3600  # of one silence, not of the whole
_SETTLE_SECONDS = 600  # after a restore; copies that lack something fetch it from others
_BOUNDARY = "docuquery-snapshot"


class Node:
    """One node's HTTP API."""

    def __init__(self, url: str, key: str, ca: str) -> None:
        self._url = url.strip().rstrip("/")
        self._headers = {"api-key": key} if key else {}
        self._context = ssl.create_default_context(cafile=ca or None) if url.startswith("https:") else None

    def call(self, method: str, path: str, body: object = None, **headers: str) -> HTTPResponse:
        """The answer. Raises urllib.error.HTTPError for one that is not good."""
        request = urllib.request.Request(  # noqa: S310 - an operator's own address
            self._url + path, method=method, data=body, headers=self._headers | headers
        )
        return urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=self._context)  # noqa: S310

    def result(self, method: str, path: str) -> object:
        """What is in the answer."""
        with self.call(method, path) as answer:
            return json.load(answer)["result"]

    def collections(self) -> list[str]:
        """Records first, see above."""
        names = [one["name"] for one in self.result("GET", "/collections")["collections"]]
        return sorted(names, key=lambda name: (not name.endswith("_documents"), name))

    def save(self, collection: str, file: Path) -> None:
        """Makes a snapshot, fetches it into `file`, removes it. Raises ValueError when it arrives damaged."""
        snapshots = f"/collections/{quote(collection)}/snapshots"
        made = self.result("POST", snapshots)
        digest = hashlib.sha256()
        with self.call("GET", f"{snapshots}/{quote(made['name'])}") as answer, file.open("wb") as out:
            while block := answer.read(_BLOCK):
                digest.update(block)
                out.write(block)
        self.result("DELETE", f"{snapshots}/{quote(made['name'])}")
        if made.get("checksum") not in (None, digest.hexdigest()):
            raise ValueError(f"{file} does not have the checksum the node says")

    def restore(self, collection: str, file: Path) -> None:
        """Puts the node's part of a collection back as it was."""
        head = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="snapshot"; '
            f'filename="{file.name}"\r\n\r\n'
        ).encode()
        tail = f"\r\n--{_BOUNDARY}--\r\n".encode()

        def body() -> Iterator[bytes]:
            yield head
            with file.open("rb") as source:
                while block := source.read(_BLOCK):
                    yield block
            yield tail

        self.call(
            "POST",
            f"/collections/{quote(collection)}/snapshots/upload?priority=snapshot",
            body(),
            **{
                "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
                "Content-Length": str(len(head) + file.stat().st_size + len(tail)),
            },
        ).close()

    def is_whole(self, collection: str) -> bool:
        """Whether every copy of every shard can be read, as far as this node knows."""
        cluster = self.result("GET", f"/collections/{quote(collection)}/cluster")
        shards = [*cluster["local_shards"], *cluster["remote_shards"]]
        return bool(shards) and all(shard["state"] == "Active" for shard in shards)


def save(nodes: list[Node], folder: Path, keep_days: float) -> Path:
    """Saves everything; returns the new folder. A half one has another name: it is no backup."""
    for half in folder.glob("*.partial"):
        shutil.rmtree(half)
    target = folder / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    partial = target.with_suffix(".partial")
    for collection in nodes[0].collections():
        for number, node in enumerate(nodes):
            place = partial / f"node-{number}"
            place.mkdir(parents=True, exist_ok=True)
            node.save(collection, place / f"{collection}.snapshot")
    partial.rename(target)
    for old in folder.iterdir():
        if old.is_dir() and old.stat().st_mtime < time.time() - keep_days * 86400:
            shutil.rmtree(old)
    return target


def restore(nodes: list[Node], folder: Path) -> None:
    """Restores what `save` has written, and waits until it can be read.

    Raises ValueError when it was written by another number of nodes, TimeoutError when they do not settle.
    """
    places = sorted(folder.glob("node-*"), key=lambda place: int(place.name.partition("-")[2]))
    if len(places) != len(nodes):
        raise ValueError(f"{folder} is of {len(places)} nodes, QDRANT_NODES names {len(nodes)}")
    for node, place in zip(nodes, places, strict=True):
        for file in sorted(place.glob("*.snapshot")):
            node.restore(file.stem, file)
    names = sorted({file.stem for place in places for file in place.glob("*.snapshot")})
    end = time.monotonic() + _SETTLE_SECONDS
    while waiting := [name for name in names if not all(node.is_whole(name) for node in nodes)]:
        if time.monotonic() > end:
            raise TimeoutError(f"restored, but not every copy is active of: {', '.join(waiting)}")
        time.sleep(0.5)


def main(arguments: list[str]) -> None:
    """Reads arguments and environment."""
    key, ca = os.environ.get("QDRANT_API_KEY", ""), os.environ.get("QDRANT_CA_FILE", "")
    nodes = [Node(url, key, ca) for url in os.environ["QDRANT_NODES"].split(",")]
    match arguments:
        case ["save"]:
            made = save(nodes, Path(os.environ["BACKUP_DIR"]), float(os.environ["BACKUP_KEEP_DAYS"]))
            print(f"saved {made}")  # noqa: T201
        case ["restore", folder]:
            restore(nodes, Path(folder))
            print(f"restored {folder}")  # noqa: T201
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
