"""Where a request came from, with proxies believed only where the operator trusts them."""

from collections.abc import Sequence
from ipaddress import ip_address

from attendance.config import Network


def client_address(
    peer: str | None, forwarded_for: str | None, trusted: Sequence[Network]
) -> str | None:
    """The address of the client: the peer's, or behind trusted proxies the last address in
    X-Forwarded-For that is not one of them. None where the peer has none (a Unix socket)."""
    address = peer or None
    hops = [hop.strip() for hop in (forwarded_for or "").split(",") if hop.strip()]
    while hops and _is_trusted(address, trusted):
        hop = _normal(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def _is_trusted(address: str | None, trusted: Sequence[Network]) -> bool:
    if address is None or _normal(address) is None:
        return False
    return any(ip_address(address) in network for network in trusted)


def _normal(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
