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
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import quote

_BLOCK = 2**20
_TIMEOUT_SECONDS = 3600  # of one silence, not of the whole
_SETTLE_SECONDS = 3600  # after a collection's restore on a node; the other nodes fetch it from there
_STUCK_SECONDS = 15  # so long without a transfer, a copy that cannot be read is one that nobody mends
_TRIES = 5
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

    def shards(self, collection: str) -> dict | None:
        """What it knows of a collection's copies on all nodes; None: it has not heard of it yet."""
        try:
            return self.result("GET", f"/collections/{quote(collection)}/cluster")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None


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
    for name in sorted({file.name for place in places for file in place.glob("*.snapshot")}):
        parts = [(node, place / name) for node, place in zip(nodes, places, strict=True)]
        parts = [(node, file) for node, file in parts if file.exists()]
        if len({_shards(file) for _, file in parts}) == 1:
            del parts[1:]  # each node had all of it: the others follow the first
        for node, file in parts:
            for _ in range(_TRIES):
                node.restore(file.stem, file)
                # The other nodes' copies are dead now, and follow this one. To restore the next meanwhile
                # would declare this one dead, too: then there may be none left to follow.
                if _settles(nodes, file.stem):
                    break
                print(f"copies of {file.stem} stay half made")  # noqa: T201
            else:
                raise TimeoutError(f"{file.stem} is restored, but copies of it stay half made")


def _shards(file: Path) -> frozenset[str]:
    """The numbers of the shards in a snapshot: each is a folder of its own."""
    with tarfile.open(file) as snapshot:
        folders = (name.partition("/")[0] for name in snapshot.getnames())
        return frozenset(folder for folder in folders if folder.isdecimal())


def _settles(nodes: list[Node], collection: str) -> bool:
    """Waits until every copy can be read, as far as each node knows. Raises TimeoutError.

    False when one cannot, and nothing is under way that would change it: Qdrant can leave copies half made,
    those of the restored node among them (qdrant#6575, #7851).
    """
    end = time.monotonic() + _SETTLE_SECONDS
    moved = time.monotonic()
    while time.monotonic() < end:
        views = [node.shards(collection) for node in nodes]
        if all(view is not None and _is_whole(view) for view in views):
            return True
        if any(view is None or view["shard_transfers"] for view in views):
            moved = time.monotonic()
        elif time.monotonic() - moved > _STUCK_SECONDS:
            return False
        time.sleep(0.2)
    raise TimeoutError(f"{collection} is restored on a node, but not every copy of it is active")


def _is_whole(view: dict) -> bool:
    shards = [*view["local_shards"], *view["remote_shards"]]
    return bool(shards) and all(shard["state"] == "Active" for shard in shards)


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
