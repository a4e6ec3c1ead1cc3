"""Where a request came from, with proxies believed only where the operator trusts them."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from werkzeug.datastructures import Headers

from attendance.config import TrustedProxies

_FORWARDING = re.compile(
    "forwarded|via|x-forwarded-.*|x-original-.*|x-real-ip|x-client-ip|x-cluster-client-ip|"
    "true-client-ip|cf-connecting-ip|fastly-client-ip|x-envoy-.*|x-proxyuser-ip",
    re.IGNORECASE,
)
"""Headers of proxies: what one passes on was not sent by somebody here."""

_LOCAL_HOST = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_WITH_PORT = re.compile(r"\[([^]]*)\](:[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_LONGEST = 45
"""Of an address in text: an IPv4 address in the clothes of IPv6."""


def client_address(
    peer: str | None, forwarded_for: str | None, trusted: TrustedProxies
) -> str | None:
    """Return the address of the client: the peer's, or behind trusted proxies the last address in
    X-Forwarded-For that is not one of them. None where there is none, as with a Unix socket."""
    address = _normal(peer or "") or (peer or "")[:_LONGEST] or None
    hops = [hop.strip() for hop in (forwarded_for or "").split(",") if hop.strip()]
    while hops and _is_trusted(address, trusted):
        hop = _normal(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def is_local(peer: str | None, headers: Headers) -> bool:
    """Tell whether the request was made on this machine, to this machine. A proxy here passes on
    those of others, and says so in a header; a page of another site that a browser here shows can
    ask us under its own name, which is then the Host."""
    parsed = _parsed(peer or "")
    is_forwarded = any(map(_FORWARDING.fullmatch, headers.keys()))
    names_us = _LOCAL_HOST.fullmatch(headers.get("Host", "")) is not None
    return parsed is not None and parsed.is_loopback and names_us and not is_forwarded


def _is_trusted(address: str | None, trusted: TrustedProxies) -> bool:
    if address is None:
        return trusted.unix
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted.networks)


def _normal(text: str) -> str | None:
    parsed = _parsed(text)
    return None if parsed is None else str(parsed)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, which may have a port. An IPv4 address stays one where a socket for both
    kinds shows it as IPv6; a zone is a name on the machine that wrote it, and says nothing here."""
    if with_port := _WITH_PORT.fullmatch(text):
        text = with_port[1] or with_port[3] or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
