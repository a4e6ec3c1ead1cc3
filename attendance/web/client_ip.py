"""Where a request came from, with proxies believed only where the operator trusts them."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from attendance.config import Network

_FORWARDING = {"x-forwarded-for", "x-real-ip", "forwarded", "via"}


def client_address(
    peer: str | None, forwarded_for: str | None, trusted: Sequence[Network]
) -> str | None:
    """The address of the client: the peer's, or behind trusted proxies the last address in
    X-Forwarded-For that is not one of them. None where the peer has none (a Unix socket)."""
    address = _normal(peer or "") or peer or None
    hops = [hop.strip() for hop in (forwarded_for or "").split(",") if hop.strip()]
    while hops and _is_trusted(address, trusted):
        hop = _normal(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def is_local(peer: str | None, header_names: Iterable[str]) -> bool:
    """Whether the request was made on this machine: a proxy here passes on those of others, and
    says so in a header."""
    parsed = _parsed(peer or "")
    forwarded = _FORWARDING & {name.lower() for name in header_names}
    return parsed is not None and parsed.is_loopback and not forwarded


def _is_trusted(address: str | None, trusted: Sequence[Network]) -> bool:
    parsed = _parsed(address or "")
    return parsed is not None and any(parsed in network for network in trusted)


def _normal(text: str) -> str | None:
    parsed = _parsed(text)
    return None if parsed is None else str(parsed)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address stays one where a socket for both kinds shows it as IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
