"""How a call reaches the gateway: channel, credentials, metadata, timeout, translated errors."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, TypeVar

import grpc

from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from docuquery_client.errors import from_rpc_error
from docuquery_client.tls import Tls

if TYPE_CHECKING:
    # Exists in the stubs only.
    from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceAsyncStub

MAX_RECEIVE_BYTES = 16 * 1024 * 1024
"""Largest reply accepted; 200 passages with their metadata are far below it. gRPC's default is 4 MiB."""

_SERVICE_CONFIG = Path(__file__).with_name("service-config.json")
"""Calls spread over all addresses of a name, and reads sent again; docs/callers.md shows and explains it."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_WEB_ADDRESS = re.compile(r"(?:https?|grpcs?)://", re.IGNORECASE)
_LOOPBACK_PREFIXES = ("127.", "localhost", "[::1]", "unix:", "ipv4:127.", "ipv6:[::1]")

Req = TypeVar("Req", contravariant=True)
Res = TypeVar("Res", covariant=True)

Metadata = tuple[tuple[str, str], ...]


class CallOptions(TypedDict, total=False):
    """What every method takes besides its own arguments."""

    timeout_seconds: float
    """Time for the whole call; default: the client's."""
    request_id: str
    """1 to 128 characters of [A-Za-z0-9._:-] that stand in every service's log; default: a random one."""


def check_options(options: CallOptions) -> None:
    """Raises TypeError for an option that there is not, which a type checker alone would tell.

    Raises ValueError for a request id that no service would take.
    """
    if unknown := options.keys() - CallOptions.__annotations__.keys():
        known = ", ".join(CallOptions.__annotations__)
        raise TypeError(
            f"there is no argument {', '.join(sorted(unknown))}; every call takes {known} besides its own"
        )
    request_id = options.get("request_id")
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        raise ValueError("request_id must have 1 to 128 characters of [A-Za-z0-9._:-]")


class UnaryMethod(Protocol[Req, Res]):
    """A unary method of the asynchronous stub."""

    def __call__(
        self, request: Req, /, *, timeout: float | None = None, metadata: Metadata | None = None
    ) -> Awaitable[Res]:
        """Starts the call."""
        ...


def check_api_key(api_key: str | None) -> str | None:
    """The key as it can stand in a header. Raises ValueError when it cannot."""
    key = (api_key or "").strip()
    if not key:
        return None
    if not (key.isascii() and key.isprintable()):
        raise ValueError("the API key must consist of printable ASCII characters")
    return key


def check_address(address: str) -> str:
    """The address as gRPC takes it. Raises ValueError for an empty one, and for a web address."""
    if not address.strip():
        raise ValueError("the address must be HOST:PORT")
    if (parts := _WEB_ADDRESS.match(address)) is not None:
        raise ValueError(f"the address must be HOST:PORT, without {parts[0]}")
    return address.strip()


def open_channel(address: str, tls: Tls | None) -> grpc.aio.Channel:
    """A channel to `address` (`host:port` or any gRPC name); encrypted when `tls` is given.

    Raises ValueError or OSError when a certificate cannot be read. Must be called on the event loop that
    will use it.
    """
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
        ("grpc.service_config", _SERVICE_CONFIG.read_text(encoding="utf-8")),
        # A restarted server is found again soon; gRPC would wait up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        # So long one attempt to connect may take: a busy machine needs more than a quick one.
        ("grpc.min_reconnect_backoff_ms", 2000),
        # Several clients of one process (several tenants, for example) do not share a connection.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if address.startswith(_LOOPBACK_PREFIXES):
        # gRPC sends even loopback calls to the proxy of the environment otherwise.
        options.append(("grpc.enable_http_proxy", 0))
    if tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.aio.secure_channel(address, tls.credentials(), options=options)


class Connection:
    """One server as one caller sees it. Opens its channel at the first call, on the loop of that call."""

    def __init__(
        self,
        address: str,
        api_key: str | None,
        timeout_seconds: float,
        tls: Tls | None,
    ) -> None:
        if timeout_seconds <= 0:
            raise ValueError("timeout_seconds must be greater than 0")
        self.address = check_address(address)
        self._api_key = check_api_key(api_key)
        self._timeout_seconds = timeout_seconds
        self._tls = tls
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def stub(self) -> DocuQueryServiceAsyncStub:
        """The generated stub. Raises RuntimeError on another event loop than the one of the first call."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop.is_closed():
            self._channel = None  # it went with its loop, as between two calls of asyncio.run
        if self._channel is None:
            self._channel, self._loop = open_channel(self.address, self._tls), loop
        elif self._loop is not loop:
            raise RuntimeError(
                "this client is in use on another event loop: make one for each loop, or use DocuQuery, "
                "which any thread may call"
            )
        return DocuQueryServiceStub(self._channel)

    def metadata(self, request_id: str) -> Metadata:
        """The metadata every call carries."""
        metadata: Metadata = (("x-request-id", request_id),)
        return (*metadata, ("authorization", f"Bearer {self._api_key}")) if self._api_key else metadata

    def timeout(self, options: CallOptions) -> float:
        """Seconds a call with these options may take."""
        return options.get("timeout_seconds", self._timeout_seconds)

    async def call(self, method: UnaryMethod[Req, Res], request: Req, options: CallOptions) -> Res:
        """Makes a unary call. Raises ApiError."""
        check_options(options)
        async with self.translated(options.get("request_id", "")) as request_id:
            return await method(request, timeout=self.timeout(options), metadata=self.metadata(request_id))

    @asynccontextmanager
    async def translated(self, request_id: str) -> AsyncIterator[str]:
        """Turns gRPC's errors inside the block into ApiError; yields the request id, a new one if empty.

        An id is made here so that a call that never reached the server has one too.
        """
        request_id = request_id or uuid.uuid4().hex
        try:
            yield request_id
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, address=self.address, request_id=request_id) from error

    async def close(self) -> None:
        """Closes the channel; calls under way are cancelled. A later call opens a new one."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
