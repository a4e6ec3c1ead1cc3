"""Whose X-Forwarded-For is believed. Imports nothing of ours."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Proxies in these networks; and with `unix` whoever comes by a Unix socket, who has no
    address."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False


def proxies(text: str) -> TrustedProxies:
    """Read addresses and networks, and the word `unix`."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    try:
        networks = tuple(ip_network(one) for one in named if one.lower() != "unix")
    except ValueError as error:
        raise ValueError(
            f"{error}: give addresses such as 10.0.0.1 or 10.0.0.0/8, or `unix` for a socket."
        ) from None
    return TrustedProxies(networks, unix=len(networks) < len(named))
