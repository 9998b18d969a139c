"""Where a service is: one name, or several addresses of replicas."""

from __future__ import annotations

import ipaddress

_LOOPBACK = "127.0.0.1"


def dial_target(text: str) -> str:
    """The gRPC name of `text`: a name as it is, `host:port,host:port` as one name of all these addresses.

    A list holds IP addresses of one family (or `localhost`): gRPC resolves no names in a list; a name that
    resolves to many addresses does that as `dns:///name:port`. Raises ValueError.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError("needs an address, as in 127.0.0.1:50053")
    if len(parts) == 1:
        return parts[0]
    families, addresses = set(), []
    for part in parts:
        family, address = _address(part)
        families.add(family)
        addresses.append(address)
    if len(families) > 1:
        raise ValueError("lists IPv4 and IPv6 addresses together; gRPC takes one kind")
    return f"ipv{families.pop()}:{','.join(addresses)}"


def may_be_many(text: str) -> bool:
    """Whether several replicas may answer behind `text`."""
    return "," in text or text.startswith(("dns:", "xds:"))


def _address(part: str) -> tuple[int, str]:
    host, _, port = part.rpartition(":")
    host = _LOOPBACK if host == "localhost" else host.strip("[]")
    try:
        ip = ipaddress.ip_address(host)
        if not 0 < int(port) < 65536:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"in a list each must be IP:port, which {part!r} is not; for a name with several addresses "
            "use dns:///name:port"
        ) from None
    return ip.version, f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
